"""Everything a user can get wrong ends in one line that teaches, status 2, and nothing written."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import pytest

from pages import EXAMPLES
from symback.cli import main
from typesetting import ROOT

S5 = (EXAMPLES / "s5.toml").read_text("utf-8")
WIDE = str(EXAMPLES / "wide.toml")
DEEP = "(" * 10_000 + "x" + ")" * 10_000


def equations(formula: str) -> str:
    return f"[equations]\nL = '''{formula}'''\n[values]\nx = 1\n"


def own(formula: str, name: str = "own") -> str:
    return (
        "[network]\ninputs = 1\n"
        f"layers = [ {{ units = 1, activation = {name!r} }} ]\nloss = 'squared_error'\n"
        f"[activations.{name!r}]\nformula = '''{formula}'''\n"
    )


def swap(old: str, new: str) -> str:
    assert old in S5
    return S5.replace(old, new, 1)


@pytest.fixture
def refused(capsys, monkeypatch, tmp_path):
    """Run a command that must fail: its one line on standard error, nothing else anywhere."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments, usage=False):
        before = sorted(tmp_path.rglob("*"))
        start = time.monotonic()
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:
            assert usage
            status = end.code
        assert time.monotonic() - start < 5  # a guard; a second on a quiet machine
        out, err = capsys.readouterr()
        assert (status, out) == (2, "")
        assert "Traceback" not in err
        assert sorted(tmp_path.rglob("*")) == before
        if usage:
            return err
        assert err.startswith("symback: ")
        assert err.endswith("\n")
        assert err.count("\n") == 1
        assert len(err) < 1000
        assert all(character.isprintable() for character in err[:-1])
        return err

    return command


# ----------------------------------------------------------------------------------- network files

FILES = [
    # what is wrong, the file, what the message must say
    ("not TOML", "[network", ("net.toml", "TOML")),
    ("empty", "", ("net.toml", "[network]", "[equations]")),
    ("an unknown table", S5 + "\n[extra]\na = 1\n", ("extra",)),
    ("an unknown key", swap("loss =", "lss ="), ("lss", "loss")),
    ("a misspelt activation", swap('"sigmoid"', '"sigmiod"'), ("sigmiod", "sigmoid")),
    ("a misspelt loss", swap('"squared', '"square'), ("square_error", "squared_error")),
    ("a wrong word for bias", swap("[values]", "[values]").replace(
        "loss =", 'bias = "per_weight"\nloss ='), ("per_weight", "per_neuron")),
    ("no loss", swap('loss = "squared_error"', ""), ("loss",)),
    ("no layers", re.sub(r"layers = \[.*?\n\]", "layers = []", S5, flags=re.DOTALL), ("layers",)),
    ("no units", swap("units = 2", "units = 0"), ("units", "0")),
    ("half a unit", swap("units = 2", "units = 2.5"), ("units", "2.5")),
    ("a short row", swap("x = [1.0, 0.5, -1.0, 2.0]", "x = [1.0, 0.5]"), ("x", "4", "2")),
    ("a ragged matrix", swap("[0.1, 0.2, -0.3, 0.4]", "[0.1]"), ("W1", "4", "1")),
    ("a missing row", swap("    [0.3, 0.7, -0.2, -0.1],\n", ""), ("W1", "4", "3")),
    ("a word for a number", swap("x = [1.0,", 'x = ["one",'), ("x", "one")),
    ("true for a number", swap("x = [1.0,", "x = [true,"), ("x", "true")),
    ("not a number", swap("x = [1.0,", "x = [nan,"), ("x[1]", "finite")),
    ("infinity", swap("x = [1.0,", "x = [inf,"), ("x[1]", "finite")),
    ("a class that there is not", swap("y = [0.0, 1.0]", "label = 3"), ("label", "3", "2")),
    ("class and target", swap("y = [0.0, 1.0]", "y = [0.0, 1.0]\nlabel = 2"), ("label", "y")),
    ("a third layer's weights", S5 + "W3 = [[1.0]]\n", ("W3",)),
    ("a rate below zero", swap("rate = 0.5", "rate = -1"), ("learning_rate", "-1")),
    ("network and equations", S5 + "\n[equations]\nL = 'x'\n", ("equations",)),
    ("a stage that reads a later one", "[equations]\na = 'b'\nb = 'x'\n", ("b",)),
    ("a stage without a formula", "[equations]\nL = 3\n", ("L", "3")),
    ("a long width", swap("inputs = 4", "inputs = 1" + "0" * 100_000), ("too long",)),
    ("a number of a million digits", swap("x = [1.0,", "x = [1." + "0" * 1_000_000 + "1,"), ("x",)),
    ("a control character in a key", swap("loss =", '"lo\\u001b[31mss" ='), (r"\x1b",)),
    ("a hostile name", own("z", "__import__('os')"), ("__import__",)),
    ("a name that is taken", own("z", "sigmoid"), ("sigmoid",)),
    ("a name with a bracket", own("z", "</script>"), ("</script>",)),
]  # fmt: skip

FORMULAS = [
    # what is wrong, the formula, what the message must say
    ("code", "__import__('os').system('touch escaped')", ("L",)),
    ("an attribute", "x.__class__", ("L",)),
    ("a tower of powers", "9**9**9**9", ("L",)),
    ("a high power", "x**1000000", ("L",)),
    ("a factorial", "factorial(10**9)", ("factorial",)),
    ("a long literal", "x*" + "9" * 5000, ("L",)),
    ("a great exponent", "1e999999999*x", ("L",)),
    ("brackets", DEEP, ("L",)),
    ("open brackets", "(" * 10_000, ("L",)),
    ("minus signs", "-" * 10_000 + "x", ("L",)),
    ("a megabyte", "x+" * 500_000 + "x", ("L",)),
    ("a megabyte of exp", "exp(" * 200_000 + "x" + ")" * 200_000, ("L",)),
    ("nothing", "", ("L",)),
    ("an open end", "x+", ("L",)),
    ("an unknown function", "sinn(x)", ("sinn", "sin")),
    ("two arguments for one", "exp(x, x)", ("exp",)),
    ("a string", "'x'", ("L",)),
    ("a comparison", "x < 1", ("L",)),
    ("a lambda", "(lambda: x)()", ("L",)),
    ("a division by zero", "x/0", ("L",)),
    ("a null", "x\\u0000", ("L",)),
    ("an emoji", "x*🙂", ("L",)),
]


@pytest.mark.parametrize("command", ["derive", "sheet"])
@pytest.mark.parametrize(("text", "words"), [case[1:] for case in FILES], ids=[c[0] for c in FILES])
def test_a_wrong_file(refused, tmp_path, command, text, words):
    """The message names the file, the place, what was expected and the nearest valid word."""
    (tmp_path / "net.toml").write_text(text, "utf-8")
    message = refused(command, "net.toml", "--wrt", "w_131")
    assert "net.toml" in message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    ("formula", "words"), [case[1:] for case in FORMULAS], ids=[case[0] for case in FORMULAS]
)
def test_a_wrong_formula(refused, tmp_path, formula, words):
    """No formula is evaluated as code, hangs, or ends in a traceback."""
    (tmp_path / "net.toml").write_text(equations(formula), "utf-8")
    message = refused("sheet", "net.toml", "--wrt", "x")
    for word in words:
        assert word in message, message
    (tmp_path / "net.toml").write_text(own(formula.replace("x", "z")), "utf-8")
    refused("derive", "net.toml", "--wrt", "w_111")


def test_files_that_are_none(refused, tmp_path):
    """A missing file, a folder, bytes that are no text, and too much text."""
    assert "nowhere.toml" in refused("derive", "nowhere.toml", "--wrt", "w_111")
    assert "no such file" in refused("sheet", "nowhere.toml").lower()
    (tmp_path / "folder.toml").mkdir()
    assert "folder.toml" in refused("evaluate", "folder.toml")
    (tmp_path / "latin.toml").write_bytes("title = 'größe'".encode("latin-1"))
    assert "UTF-8" in refused("derive", "latin.toml", "--wrt", "w_111")
    (tmp_path / "binary.toml").write_bytes(bytes(range(256)) * 100)
    assert "UTF-8" in refused("figure", "binary.toml")
    (tmp_path / "null.toml").write_bytes(b"a = '\x00'")
    assert "null.toml" in refused("figure", "null.toml")
    with (tmp_path / "huge.toml").open("wb") as file:
        file.truncate(10**10)  # sparse: it takes no room
    assert "huge.toml" in refused("derive", "huge.toml", "--wrt", "w_111")
    assert "nul\\x00" in refused("derive", "nul\x00.toml", "--wrt", "w_111")
    assert "…" in refused("derive", "n" * 5000 + ".toml", "--wrt", "w_111")


# ------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("command", ["derive", "paths", "sheet", "figure"])
def test_a_weight_that_there_is_not(refused, command):
    """w_531 in a two-layer network: the message says which layers there are and their sizes."""
    message = refused(command, EXAMPLES / "s5.toml", "--wrt", "w_531")
    for word in ("w_531", "layers 1 and 2", "1…4", "1…2"):
        assert word in message


@pytest.mark.parametrize("name", ["w_1112", "w_2111"])
def test_an_ambiguous_weight(refused, tmp_path, name):
    """From eleven neurons on a packed index may have two readings: both are shown, written out."""
    text = (
        "[network]\ninputs = 12\nloss = 'squared_error'\nlayers = [ { units = 12, activation ="
        " 'tanh' }, { units = 12, activation = 'tanh' } ]\n"
    )
    (tmp_path / "net.toml").write_text(text, "utf-8")
    message = refused("derive", "net.toml", "--wrt", name)
    layer, first, second, third = name.removeprefix("w_")
    assert f"w_{layer},{first}{second},{third}" in message
    assert f"w_{layer},{first},{second}{third}" in message


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "q", "w", "w_", "w_1", "w_1111", "w_0,1,1", "w_1,0,1", "w_1,5,1", "w_1,1,5",
        "w_1,,1", "w_1,1,1,1", "w_-1,1,1", "w_٣٢١", "b_15", "b_31", "a_35", "h_31", "yhat_3", "y_3",
        "x_5", "L", "W1", "eta", "w_131;ls", "__import__('os')", "w_" + "1" * 100_000, "ŷ_9",
        "\x1b[31m", "w_1,1,1e3", "$(x)", "\ud800",
    ],
)  # fmt: skip
def test_a_name_that_means_nothing(refused, name):
    """Any other name: one line that says what there is, with the name made harmless."""
    message = refused("paths", EXAMPLES / "s5.toml", "--wrt", name)
    assert "\x1b" not in message


def test_a_quantity_that_the_loss_does_not_depend_on(refused, tmp_path):
    """A derivative that is 0 because nothing leads to the loss is said, not derived."""
    (tmp_path / "net.toml").write_text("[equations]\na = 'x*c'\nL = 'x**2 + a - a'\n", "utf-8")
    (tmp_path / "two.toml").write_text("[equations]\na = 'x*c'\nL = 'x**2'\n", "utf-8")
    message = refused("derive", "two.toml", "--wrt", "c")
    assert "c" in message
    assert "L" in message


def test_evaluate_without_numbers(refused, tmp_path):
    """The message names what has no number, all of it where little is missing."""
    message = refused("evaluate", EXAMPLES / "wide.toml", "--json")
    assert all(name in message for name in ("x", "W1", "b3"))
    (tmp_path / "net.toml").write_text(re.sub(r"\nb2 = .*", "", S5), "utf-8")
    message = refused("evaluate", "net.toml")
    assert "b2" in message
    assert "W1" not in message


def test_numbers_outside_a_function(refused, tmp_path):
    """A logarithm of a number below zero has no value: which stage, and where."""
    text = "[equations]\na = 'x - 3'\nL = 'log(a)'\n[values]\nx = 1\n"
    (tmp_path / "net.toml").write_text(text, "utf-8")
    assert "L" in refused("evaluate", "net.toml")
    assert "L" in refused("sheet", "net.toml", "--wrt", "x")


# ------------------------------------------------------------------------------------------- output


def test_a_folder_that_cannot_be_written(refused, tmp_path):
    """A file in the place of the folder: one line that names it; it is left alone."""
    (tmp_path / "outputs").write_text("mine")
    message = refused("sheet", EXAMPLES / "s1.toml", "--wrt", "w")
    assert "outputs" in message
    message = refused("figure", EXAMPLES / "s1.toml", "-o", "outputs/deeper")
    assert "outputs" in message
    assert (tmp_path / "outputs").read_text() == "mine"
    assert "proc" in refused("sheet", EXAMPLES / "s1.toml", "--wrt", "w", "-o", "/proc/nowhere")


def test_one_wrong_name_of_several_writes_nothing(refused, tmp_path):
    """Two sheets are wanted and one name is wrong: neither is written."""
    assert "w_991" in refused("sheet", EXAMPLES / "s5.toml", "--wrt", "w_131", "w_991")
    assert not (tmp_path / "outputs").exists()


# -------------------------------------------------------------------------------------------- usage


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "symback init 4-4-2"),
        (["deriv", WIDE], "derive"),
        (["derive"], "NET"),
        (["derive", WIDE], "--wrt"),
        (["derive", WIDE, "--wrt"], "--wrt"),
        (["derive", WIDE, "--wrt", "w_111", "--format", "pdf"], "latex"),
        (["paths", WIDE, "--wrt", "w_111", "--limit", "-1"], "-1"),
        (["paths", WIDE, "--wrt", "w_111", "--limit", "ten"], "ten"),
        (["paths", WIDE, "--wrt", "w_111", "--limit", "9" * 5000], "number of paths"),
        (["sheet", WIDE, "--all", "--wrt", "w_111"], "--all"),
        (["sheet", WIDE, "--format", "docx"], "docx"),
        (["sheet", WIDE, "--format", "htm"], "html"),
        (["sheet", WIDE, "--format", ""], "tex"),
        (["sheet", WIDE, "--detail", "long"], "brief"),
        (["evaluate", WIDE, "--jsn"], 'did you mean "--json"?'),
        (["shet", WIDE], 'did you mean "sheet"?'),
        (["sheet", WIDE, "--detial", "brief"], 'did you mean "--detail"?'),
        (["sheet", WIDE, "--detail=breif"], 'did you mean "brief"?'),
        (["sheet", WIDE, "\x1b[31m"], r"\x1b"),
        (["\x1b[31m"], r"\x1b"),
        (["paths", WIDE, "--wrt", "w_111", ""], "not known"),
    ],
)
def test_bad_usage(refused, arguments, words):
    """What argparse refuses is explained on standard error, with status 2."""
    message = refused(*arguments, usage=True)
    assert "\x1b" not in message
    assert words in message
    assert message.splitlines()[-1].startswith("symback")


# ------------------------------------------------------------------------------ the whole process


@pytest.mark.parametrize(
    "arguments",
    [
        ["derive", "nowhere.toml", "--wrt", "w_111"],
        ["derive", "examples/s5.toml", "--wrt", "w_531"],
        ["sheet", "examples/s5.toml", "--wrt", "w_131", "-o", "README.md"],
        ["evaluate", "examples/s6.toml"],
    ],
)
def test_a_process_ends_with_status_2(arguments):
    """The same as a process: status 2, standard output empty, one line on standard error."""
    ran = subprocess.run(
        [sys.executable, "-m", "symback", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("symback: ")
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("", "an empty text is not a shape"),
        ("4", "such as 4-4-2"),
        ("4-0-2", "without neurons"),
        ("4--2", "4--2 is not a shape"),
        ("a-b", "a-b is not a shape"),
        ("-1-2", "SHAPE"),
        ("4-1000000-2", "too large"),
        ("-".join("2" * 300), "too large"),
        ("9" * 5000 + "-1", "is not a shape"),
        ("٣-٢", "is not a shape"),
    ],
)
def test_a_bad_shape(refused, shape, words):
    """`init` says what a shape looks like, and writes nothing."""
    assert words in refused("init", shape, "-o", "net.toml", usage=shape[:1] == "-")


def test_init_keeps_what_is_there(refused, tmp_path):
    """A file of that name is never overwritten."""
    (tmp_path / "net.toml").write_text("mine")
    assert "net.toml exists" in refused("init", "2-2", "-o", "net.toml")
    assert (tmp_path / "net.toml").read_text() == "mine"
