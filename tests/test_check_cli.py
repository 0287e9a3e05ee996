"""`symback check` as DESIGN.md promises it: one file, standard input, a folder of submissions."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys

import pytest

import symback as sb
from pages import EXAMPLES, network
from symback.checking import grading
from symback.checking.report import LineReport, Report, Verdict
from symback.cli import main
from typesetting import ROOT, outside_addresses

MISTAKES = EXAMPLES / "mistakes"
S4 = str(EXAMPLES / "s4.toml")
RIGHT = "∂L/∂w_212 = ∂L/∂a_21 · h_12\n"
WRONG = "∂L/∂w_212 = -2(y_1 - ŷ_1) ŷ_1 (1 - ŷ_1) h_12\n"
UNREAD = "∂L/∂w_212 = ∂L/∂a_21 · h_19\n"


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run `symback check …` in an empty folder: status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments, net=S4):
        try:
            status = main(["check", *(str(each) for each in arguments), "--net", str(net)])
        except SystemExit as end:  # argparse
            status = end.code
        out, err = capsys.readouterr()
        return status, out, err

    return command


@pytest.fixture
def page(tmp_path):
    """A file of that text."""

    def write(text, name="page.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
        return path

    return write


# --------------------------------------------------------------------------------------- one file


@pytest.mark.parametrize(
    ("text", "status", "first"),
    [
        (RIGHT, 0, "✓ right"),
        (WRONG, 1, "✗ wrong at line 1"),
        (UNREAD, 1, "? its one formula could not be judged"),
        (RIGHT + UNREAD, 0, "? 1 of 2 formulas was not judged; right as far as read"),
        ("Words alone say nothing.\n", 1, "∅ no claim was found"),
        ("1 = 1\nL = L\n", 1, "∅ no claim was found"),
        ("", 1, "∅ no claim was found"),
    ],
)
def test_the_status_says_whether_anything_is_wrong(run, page, text, status, first):
    """0 where nothing is wrong, 1 where something is, or where nothing could be judged."""
    found, out, err = run(page(text))
    assert (found, err) == (status, "")
    assert out.startswith(first)


def test_what_is_printed_is_the_report(run, page):
    """The command prints what `sb.check` says, and nothing of its own."""
    report = sb.check(WRONG, network("s4"))
    assert run(page(WRONG))[1] == f"{report}\n"
    assert json.loads(run(page(WRONG), "--json")[1]) == report.as_data()


def test_an_answer_alone_is_checked_against_wrt(run, page):
    """`--wrt` says what a page is about that begins with its right side."""
    assert run(page("= ∂L/∂a_21 · h_12\n"), "--wrt", "w_212")[0] == 0
    assert run(page("= ∂L/∂a_21 · h_11\n"), "--wrt", "w_212")[0] == 1


def test_standard_input(run, monkeypatch):
    """`-` is standard input."""

    class Given:
        buffer = io.BytesIO(WRONG.encode())

    monkeypatch.setattr(sys, "stdin", Given())
    status, out, err = run("-")
    assert (status, err) == (1, "")
    assert out.startswith("✗ wrong at line 1")


def test_line_ends_and_marks_of_windows(run, page):
    """A byte order mark and carriage returns are no part of a derivation."""
    text = b"\xef\xbb\xbf" + (RIGHT + WRONG).replace("\n", "\r\n").encode()
    assert json.loads(run(page(text), "--json")[1])["first_wrong"] == 2


def test_a_page_is_written_whole(run, page, tmp_path):
    """`--html` writes one file, new folders included, and says where; JSON stays JSON."""
    source, target = page(WRONG), tmp_path / "new" / "report.html"
    status, out, err = run(source, "--html", target)
    assert (status, err) == (1, "")
    assert out.splitlines()[-1] == str(target)
    made = target.read_text("utf-8")
    assert made.startswith("<!DOCTYPE html>")
    assert "page.txt" in made
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]
    assert json.loads(run(source, "-o", target, "--json")[1])["verdict"] == "refuted"


@pytest.mark.parametrize("form", [(), ("--json",), ("-o", "x.html")])
def test_an_examination_says_right_or_wrong(run, page, tmp_path, form):
    """`--exam` names the line and whether it is right: no reason, no mistake, no right side."""
    full = sb.check(RIGHT + WRONG + UNREAD, network("s4"))
    wrong = full.lines[1]
    status, out, err = run(page(RIGHT + WRONG + UNREAD), "--exam", *form)
    assert (status, err) == (1, "")
    if not form:
        column = full.lines[2].column
        assert [row for row in out.splitlines() if "read as" not in row] == [
            "line 1: right", "line 2: wrong", f"line 3: not read, column {column}"
        ]  # fmt: skip
        for line in full.lines[:2]:
            assert f"\n    read as {line.read_as}\n" in out
    if form == ("-o", "x.html"):
        html = (tmp_path / "x.html").read_text("utf-8")
        out += html[html.index("<main>") : html.index("</main>")]  # KaTeX has words of its own
    assert wrong.diagnosis
    assert wrong.witness is not None
    secrets = [found.name for found in wrong.diagnosis] + [full.lines[2].reason, wrong.reason]
    secrets += [found.detail for found in wrong.diagnosis] + [wrong.witness.left]
    assert [secret for secret in secrets if secret in out] == []


# -------------------------------------------------------------------------------------- bad usage


@pytest.fixture
def refused(run):
    """Run a check that must fail: one line on standard error, nothing else anywhere."""

    def command(*arguments, net=S4):
        status, out, err = run(*arguments, net=net)
        assert (status, out) == (2, "")
        assert err.startswith("symback: ")
        assert err.count("\n") == 1
        assert err.rstrip("\n").isprintable()
        return err

    return command


def test_files_that_cannot_be_read(refused, page, tmp_path):
    """A file that is not there, no text, or too large: what it is, and what to do."""
    assert "no such file" in refused(tmp_path / "absent.txt")
    assert "no such file" in refused("-absent\x1b[31m\n.txt".removeprefix("-"))
    assert "not UTF-8" in refused(page(RIGHT.encode("utf-16")))
    assert "line 2" in refused(page(b"w = 1\nw = \xff\n"))
    assert "200 kB" in refused(page("w = 1\n" * 40_000))
    assert "no file has such a name" in refused("a\x00b")


def test_a_pipe_is_not_waited_for(refused, tmp_path):
    """A named pipe is no file: it would be waited for."""
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refused(tmp_path / "pipe")


def test_networks_and_names_that_are_not(refused, page, tmp_path):
    """A network that cannot be read, a weight or a notation that is not there, with the nearest."""
    source = page(RIGHT)
    assert "absent.toml" in refused(source, net=tmp_path / "absent.toml")
    assert "w_912" in refused(source, "--wrt", "w_912")
    message = refused(source, "--notation", "nielson")
    assert "nielsen" in message
    assert "lectures" in message


def test_a_folder_gives_no_json(refused, page, tmp_path):
    """A folder gives a CSV and a page; the form for one file is refused."""
    page(RIGHT, "in/a.txt")
    assert "CSV" in refused(tmp_path / "in", "--json")


def test_bad_names_are_said_once_not_of_every_file(refused, page, tmp_path):
    """What is wrong with the command stops it, in a folder too."""
    page(RIGHT, "in/a.txt")
    page(RIGHT, "in/b.txt")
    assert "w_912" in refused(tmp_path / "in", "--wrt", "w_912")
    assert "nielsen" in refused(tmp_path / "in", "--notation", "nielson")
    (tmp_path / "empty").mkdir()
    assert "no files" in refused(tmp_path / "empty")


def test_nothing_is_written_where_nothing_can_be(refused, page, tmp_path):
    """A page that cannot be put in place: one message, and what was there is untouched."""
    (tmp_path / "file").write_text("kept")
    refused(page(RIGHT), "-o", tmp_path / "file" / "x.html")
    assert (tmp_path / "file").read_text() == "kept"


# ------------------------------------------------------------------------------------------ folders


def rows(out: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(out)))


COLUMNS = (
    "file,verdict,first_wrong,lines,proved,refuted,conditional,undecided,unread,mistakes,message,"
    "triage,goals,not_judged,points,of"
)


def test_a_folder_gives_a_table(run, page, tmp_path):
    """One row a file, sorted, those of inner folders included, hidden files left out."""
    page(RIGHT, "in/b.txt")
    page(RIGHT + WRONG, "in/a/one.md")
    page(UNREAD, "in/c.tex")
    page(WRONG, "in/.hidden")
    page(WRONG, "in/.git/x")
    status, out, err = run(tmp_path / "in")
    assert (status, err) == (1, "")
    assert out.splitlines()[0] == COLUMNS
    first, second, third = rows(out)
    assert (first["file"], first["verdict"], first["first_wrong"]) == ("a/one.md", "refuted", "2")
    assert (first["lines"], first["proved"], first["refuted"], first["unread"]) == (
        "2",
        "1",
        "1",
        "0",
    )
    assert "missing-path" in first["mistakes"].split(";")
    assert first["message"].startswith("line 2")
    assert (second["file"], second["verdict"], second["message"]) == ("b.txt", "proved", "")
    assert (third["verdict"], third["unread"]) == ("unread", "1")
    assert third["message"].startswith("line 1, column ")


def test_a_folder_of_right_pages(run, page, tmp_path):
    """Nothing wrong in any file: status 0."""
    page(RIGHT, "in/a.txt")
    page(RIGHT, "in/b.txt")
    assert run(tmp_path / "in")[0] == 0


def test_one_bad_file_stops_nothing(run, page, tmp_path, monkeypatch):
    """Binary, huge, empty, a pipe, a link, a file that breaks symback: a row, and the next one."""
    page(os.urandom(4000) + b"\xff", "in/binary.txt")
    page("w" * 300_000, "in/huge.txt")
    page("", "in/empty.txt")
    page("breaks symback", "in/crash.txt")
    page(b"PK\x03\x04 no archive", "in/grads.npz")
    page(RIGHT, "in/z.txt")
    os.mkfifo(tmp_path / "in" / "pipe")
    (tmp_path / "in" / "link.txt").symlink_to("/etc/hostname")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in", target_is_directory=True)
    real = grading.check

    def check(text, *more, **named):
        if text == "breaks symback":
            raise RecursionError("a defect")
        return real(text, *more, **named)

    monkeypatch.setattr(grading, "check", check)
    status, out, err = run(tmp_path / "in")
    assert status == 3  # symback itself failed on one
    assert "defects of symback, in 1 of 8 files" in err
    found = {row["file"]: row for row in rows(out)}
    assert list(found) == sorted(found)
    assert {name for name, row in found.items() if row["verdict"] == "error"} == {
        "binary.txt",
        "huge.txt",
        "crash.txt",
        "grads.npz",
        "pipe",
        "link.txt",
    }
    assert found["z.txt"]["verdict"] == "proved"
    assert "RecursionError: a defect" in found["crash.txt"]["message"]
    assert "not UTF-8" in found["binary.txt"]["message"]
    assert "link" in found["link.txt"]["message"]


def test_the_table_of_an_examination_tells_nothing(run, page, tmp_path):
    """With `--exam` a row says right or wrong and where, and neither mistake nor reason."""
    page(WRONG, "in/a.txt")
    page(UNREAD, "in/b.txt")
    first, second = rows(run(tmp_path / "in", "--exam")[1])
    assert (first["verdict"], first["first_wrong"]) == ("refuted", "1")
    assert (first["mistakes"], first["message"]) == ("", "line 1")
    assert second["message"].startswith("line 1, column ")
    assert ":" not in second["message"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", " ="])
def test_no_cell_is_a_formula(start):
    """A name or a message that a spreadsheet would carry out is text."""
    row = grading.Row(f"{start}cmd|' /C calc'!A0", "refuted", message=f"{start}1+1")
    for cell in next(csv.reader([grading.as_csv(row)])):
        assert not cell.lstrip().startswith(("=", "+", "-", "@"))


def test_a_cell_is_one_line_and_short():
    """Line ends, controls and very long messages do not break the table."""
    row = grading.Row("a\nb\x1b[31m\u202e.txt", "error", message="x" * 100_000)
    line = grading.as_csv(row)
    assert line.isprintable()
    assert len(line) < 1000


def test_progress_is_for_a_terminal(run, page, tmp_path, monkeypatch):
    """How far it is stands on standard error, on a terminal only; the table is the same."""
    page(RIGHT, "in/a.txt")
    page(WRONG, "in/b.txt")
    quiet = run(tmp_path / "in")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    status, out, err = run(tmp_path / "in")
    assert (status, out) == quiet[:2]
    assert "2 of 2" in err
    assert quiet[2] == ""


GOAL = "∂L/∂w_212 = -2 ŷ_1 ŷ_2 ((y_1 - ŷ_1) - (y_2 - ŷ_2)) h_12\n"


def test_what_to_do_with_a_submission(run, page, tmp_path):
    """Surely right, surely wrong, or to be looked at: unread, conditional, a goal not answered."""
    page(RIGHT + GOAL, "in/a_right.txt")
    page(RIGHT, "in/b_half.txt")
    page(RIGHT + WRONG + UNREAD, "in/c_wrong.txt")
    page(GOAL + UNREAD, "in/d_unread.txt")
    page(GOAL + "log(x_1^2) = 2 log(x_1)\n", "in/e_condition.txt")
    page("Words.", "in/f_words.txt")
    found = rows(run(tmp_path / "in", "--goal", "w_212")[1])
    assert [(row["triage"], row["goals"], row["not_judged"]) for row in found] == [
        ("sure-right", "w_212 answered", ""),
        ("look-yourself", "w_212 partly", ""),
        ("sure-wrong", "w_212 partly", "3"),
        ("look-yourself", "w_212 answered", "2"),
        ("look-yourself", "w_212 answered", ""),
        ("look-yourself", "w_212 not answered", ""),
    ]
    assert [(row["points"], row["of"]) for row in found] == [
        ("2", "2"),
        ("1", "1"),
        ("1", "2"),
        ("1", "1"),
        ("2", "2"),
        ("0", "0"),
    ]
    exam = rows(run(tmp_path / "in", "--goal", "w_212", "--exam")[1])
    assert [row["triage"] for row in exam] == [row["triage"] for row in found]


def test_a_folder_has_one_page(run, page, tmp_path):
    """All submissions in one file that asks for nothing from elsewhere; the CSV stays a CSV."""
    page(RIGHT, "in/a.txt")
    page(WRONG, "in/b.txt")
    page(WRONG + RIGHT + UNREAD, "in/<img src=x>.txt")
    page(b"\xff\xfe", "in/d.txt")
    target = tmp_path / "out" / "all.html"
    plain = run(tmp_path / "in", "--goal", "w_212")
    status, out, err = run(tmp_path / "in", "--goal", "w_212", "--points", "-o", target)
    assert (status, out) == plain[:2]
    assert err == f"{target}\n"
    made = target.read_text("utf-8")
    assert outside_addresses(made) == []
    body = made[made.index("<main") : made.index("</main>")]
    assert "<img" not in body
    assert body.count('<article class="sheet ') == 4
    assert body.count('id="m-softmax-diagonal-only"') + body.count('id="m-missing-path"') == 1
    assert "2 submissions" in body
    assert "b.txt</a> line 1" in body
    assert "not UTF-8" in body
    for at in re.findall(r'href="#([^"]+)"', body):
        assert f'id="{at}"' in body, at
    secret = sb.check(WRONG, network("s4")).lines[0].diagnosis[0].name
    run(tmp_path / "in", "--exam", "-o", target)
    told = target.read_text("utf-8")
    assert secret in body
    assert secret not in told[told.index("<main") : told.index("</main>")]


def test_goals_and_points_of_one_file(run, page):
    """`--goal` and `--points` say so in text, in an examination, on the page and as data."""
    source = page(RIGHT + WRONG + UNREAD)
    worth = [
        "w_212: answered partly in line 1: what line 2 says of it is wrong",
        "w_211: not answered",
    ]
    points = "1 of 2 points; look yourself at line 3"
    out = run(source, "--goal", "w_212", "w_211", "--points")[1].splitlines()
    assert [row.strip() for row in out[1:4]] == [*worth, points]
    assert out[5].startswith("✓ 1 [1]  ∂L/∂w_212")
    exam = run(source, "--goal", "w_212", "--points", "--exam")[1].splitlines()
    assert exam[:2] == ["w_212: answered partly in line 1", points]
    data = json.loads(run(source, "--goal", "w_212", "--json")[1])
    assert data["points"] == {"given": 1, "of": 2, "look_yourself": 1}
    assert data["goals"][0]["answer"] == "partly"
    assert run(source, "--goal", "w_999")[0] == 2


# --------------------------------------------------------------------------------------- comments


def test_comments_of_latex_are_no_claims(run, page):
    """What a person commented out is not read; a percent sign in words is."""
    text = "% \\[ \\frac{\\partial L}{\\partial w_{212}} = 0 \\] e^{a} e^{b} = e^{ab}\n"
    text += "\\[ \\hat y_1 = e^{a_{21}} / (e^{a_{21}} + e^{a_{22}}) \\] % = 7\n"
    data = json.loads(run(page(text), "--json")[1])
    assert [line["verdict"] for line in data["lines"]] == ["proved"]


# ----------------------------------------------------------------------------------------- arrays


def test_arrays_are_checked_too(run, tmp_path):
    """A file of arrays goes to `check_arrays`: right arrays are proved, wrong ones named."""
    import numpy as np

    gradients = network("s4").evaluate()["gradients"]
    arrays = {f"d{name}": np.array(gradients[name]) for name in ("W2", "b2", "W1", "b1")}
    np.savez(tmp_path / "right.npz", **arrays)
    assert run(tmp_path / "right.npz")[0] == 0
    np.savez(tmp_path / "wrong.npz", **{**arrays, "dW2": -arrays["dW2"]})
    status, out, err = run(tmp_path / "wrong.npz")
    assert (status, err) == (1, "")
    assert "sign-flipped" in out
    assert "sign-flipped" not in run(tmp_path / "wrong.npz", "--exam")[1]
    asked = json.loads(run(tmp_path / "wrong.npz", "--goal", "w_212", "b_21", "yhat", "--json")[1])
    found = [(goal["name"], goal["answer"]) for goal in asked["goals"]]
    assert found == [
        ("w_212", "not answered"),
        ("b_21", "answered"),
        ("yhat", "not answered"),
    ]


def test_arrays_under_names_of_their_own(run, tmp_path):
    """Any layout and usual names as they are; a name of one's own with --rename; else reported."""
    import numpy as np

    gradients = network("s4").evaluate()["gradients"]
    arrays = {f"nabla_w_{k}": np.array(gradients[f"W{k + 1}"]).T for k in (0, 1)}
    np.savez(tmp_path / "own.npz", **arrays, mine=np.array(gradients["b2"]))
    status, out, _ = run(tmp_path / "own.npz")
    assert status == 0
    assert "W is (in, out)" in out.splitlines()[0]
    assert "not judged: mine" in " ".join(out.split())
    data = json.loads(run(tmp_path / "own.npz", "--rename", "mine=db2", "--json")[1])
    assert [line["verdict"] for line in data["lines"]] == ["proved"] * 3
    assert run(tmp_path / "own.npz", "--rename", "mine=db1")[0] == 1
    status, _, err = run(tmp_path / "own.npz", "--rename", "min=db2")
    assert (status, 'did you mean "mine"' in err) == (2, True)
    assert run(tmp_path / "own.npz", "--rename", "db2")[0] == 2


# ------------------------------------------------------------------------------------------ Python


def test_an_autograder_has_an_assertion():
    """Right says nothing; wrong raises the report; an examination raises the marks alone."""
    net = network("s4")
    sb.assert_derivation(RIGHT, net)
    sb.assert_derivation("= ∂L/∂a_21 · h_12", net, wrt="w_212")
    with pytest.raises(AssertionError, match="missing-path"):
        sb.assert_derivation(WRONG, net)
    with pytest.raises(AssertionError) as caught:
        sb.assert_derivation(RIGHT + WRONG, net, exam=True)
    assert [row for row in str(caught.value).splitlines() if "read as" not in row] == [
        "line 1: right",
        "line 2: wrong",
    ]
    with pytest.raises(AssertionError):
        sb.assert_derivation(UNREAD, net)
    with pytest.raises(AssertionError):
        sb.assert_derivation("", net)


def test_a_condition_is_no_failure(monkeypatch):
    """What is right under a condition passes, as it does on the command line."""
    line = LineReport(1, 1, "w", "w", Verdict.CONDITIONAL, "right only if y is one-hot")
    report = Report(Verdict.CONDITIONAL, (line,), "2^-160")
    monkeypatch.setattr(grading, "check", lambda *_, **__: report)
    sb.assert_derivation("w", network("s4"))


# --------------------------------------------------------------------------- the lectures' mistakes

NAMED = {
    "1_one_path": (("missing-path",),),
    "2_exponents": (("exponent-rule",), ("spurious-factor",)),
    "3_cross_terms": (("softmax-diagonal-only",),),
    "4_reciprocal": (("sign-flipped",),),
    "5_multiplied": (("paths-multiplied",),),
    "6_last_layer": ((),),
    "7_index_order": (("index-order",),),
}
COMMANDS = {
    path.stem: path.read_text("utf-8").partition("symback check ")[2].splitlines()[0]
    for path in sorted(MISTAKES.glob("*.tex"))
}


@pytest.fixture
def in_a_copy(tmp_path, monkeypatch):
    """A folder in which the examples lie as in the repository."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)


def test_every_mistake_of_the_lectures_is_there():
    """Seven mistakes, each with the right lines beside it, each naming its own command."""
    assert {name[0] for name in NAMED} == set("1234567")
    assert set(NAMED) <= set(COMMANDS)
    assert {f"{number}_right" for number in range(1, 8)} <= set(COMMANDS)
    for name, command in COMMANDS.items():
        assert command.startswith(f"examples/mistakes/{name}.tex --net examples/")


@pytest.mark.usefixtures("in_a_copy")
@pytest.mark.parametrize("name", [name for name in COMMANDS if "right" in name])
def test_the_lectures_right_lines_are_proved(name, capsys):
    """Every claim of a right page is read and proved."""
    assert main(["check", *COMMANDS[name].split(), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["verdict"] == "proved"
    assert {line["verdict"] for line in data["lines"]} <= {"proved", "text"}


@pytest.mark.usefixtures("in_a_copy")
@pytest.mark.parametrize("name", list(NAMED))
def test_the_lecturers_mistakes_are_refuted_and_named(name, capsys):
    """Each page is refuted and read in full, and its wrong lines carry the name of the mistake."""
    assert main(["check", *COMMANDS[name].split(), "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["verdict"] == "refuted"
    assert [line["line"] for line in data["lines"] if line["verdict"] == "unread"] == []
    wrong = [line for line in data["lines"] if line["verdict"] == "refuted"]
    found = {mistake["name"] for line in wrong for mistake in line["diagnosis"]}
    for names in NAMED[name]:
        assert set(names) <= found
    assert wrong[0]["line"] == data["first_wrong"]


def test_a_whole_process_answers():
    """From the shell, the way a person runs it."""
    done = subprocess.run(
        [sys.executable, "-m", "symback", "check", "-", "--net", S4, "--exam"],
        input=WRONG,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[0] == "line 1: wrong"


@pytest.mark.parametrize("text", [r"\[ \hat y = -2 \]", r"\[ a_1 = -2.0 \]"])
def test_a_negative_number_for_an_array_does_not_fit(run, page, text):
    """An array is no number, whatever its sign: it is not judged, and nothing crashes."""
    status, out, err = run(page(text))
    assert (status, err) == (1, "")
    assert "this does not fit" in out
