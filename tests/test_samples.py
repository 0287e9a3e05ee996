"""Data: what is read, and one clear line for everything that is wrong with it."""

import io
import zipfile

import numpy as np
import pytest

from symback.cli import main
from symback.learning import samples
from symback.learning.samples import DataError, check, read

X = np.array([[0.5, -1.0], [2.0, 0.25], [1e-3, 3.0]])
LABEL = np.array([3, 1, 2])
Y = np.eye(3)[LABEL - 1]
GOOD = "x1,x2,label\n0.5,-1.0,3\n2.0,0.25,1\n0.001,3.0,2\n"


def packed(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def same(found, y=Y):
    assert found.x.tolist() == X.tolist()
    assert found.y.tolist() == y.tolist()
    assert (found.x.dtype, found.y.dtype, len(found)) == (np.float64, np.float64, 3)


# ------------------------------------------------------------------------------------ what is read


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        GOOD.rstrip("\n"),
        GOOD.replace("\n", "\n\n"),
        GOOD.replace(",", " , "),
        GOOD.replace("0.5", "5e-1").replace("3.0", '"3"'),
        "label,x2,x1\n3,-1.0,0.5\n1,0.25,2.0\n2,3.0,0.001\n",
        "x1,x2,y1,y2,y3\n0.5,-1,0,0,1\n2,0.25,1,0,0\n0.001,3,0,1,0\n",
    ],
    ids=range(9),
)
def test_csv_in_its_spellings(tmp_path, text):
    """Any order of columns, either target, line ends, a byte order mark, blanks and quotes."""
    (tmp_path / "data.csv").write_bytes(text.encode())
    same(read(tmp_path / "data.csv", 2, 3))


@pytest.mark.parametrize(
    "arrays", [{"x": X, "y": Y}, {"x": X, "label": LABEL}, {"x": X, "label": LABEL.astype("u1")}]
)
def test_npz(tmp_path, arrays):
    """x with y, or with label of any integer type; float32 is widened without loss."""
    (tmp_path / "data.NPZ").write_bytes(packed(**arrays))
    same(read(str(tmp_path / "data.NPZ"), 2, 3))
    narrow = check(X.astype(np.float32), Y, inputs=2, outputs=3)
    assert narrow.x.tolist() == X.astype(np.float32).tolist()


def test_every_digit_of_a_csv_is_kept(tmp_path):
    """repr of a double comes back as that double."""
    x = np.random.default_rng(0).normal(size=(50, 1)) * 10.0 ** np.arange(-25, 25)[:, None]
    rows = [f"{value!r},0.0" for value in x[:, 0].tolist()]
    (tmp_path / "data.csv").write_text("\n".join(["x1,y1", *rows]))
    assert read(tmp_path / "data.csv", 1, 1).x.tobytes() == x.tobytes()


def test_the_arrays_given_are_copied():
    """Neither changes with the other."""
    x = X.copy()
    found = check(x, Y, inputs=2, outputs=3)
    x[:] = 0
    same(found)


# ----------------------------------------------------------------------------------- what is wrong

TEXTS = [
    # what is wrong, the text, what the message must say
    ("empty", "", ("empty", "x1,x2,y1")),
    ("no sample", "x1,x2,label\n", ("no sample",)),
    ("a missing input", "x1,label\n1,1\n", ("no column x2", "there is x1, label")),
    ("a missing target", "x1,x2\n1,1\n", ("no column y1 (or label)", "there is x1, x2")),
    ("half a target", "x1,x2,y1,y2\n1,1,0,1\n", ("no column y3", "there is x1, x2, y1, y2")),
    ("an extra column", "x1,x2,x3,label\n1,1,1,1\n", ("column x3", "expected x1, x2, label")),
    ("two targets", "x1,x2,label,y1\n1,1,1,1\n", ("column y1", "both")),
    ("a column twice", "x1,x2,x1,label\n1,1,1,1\n", ("two columns", "x1")),
    ("semicolons", GOOD.replace(",", ";"), ("x1;x2;label", "commas")),
    ("no header", "0.5,1.0,3\n", ("no column x1", "there is 0.5, 1.0, 3")),
    ("a short row", GOOD + "1,2\n", ("row 4 has 2 fields", "3")),
    ("a word", GOOD.replace("0.25", "much"), ("column x2, row 2", "much", "no number")),
    ("an empty field", GOOD.replace("0.25", ""), ("column x2, row 2", "nothing")),
    ("an underscore", GOOD.replace("0.25", "1_0"), ("column x2, row 2", "1_0")),
    ("nan", GOOD.replace("0.25", "nan"), ("column x2, row 2", "nan", "finite")),
    ("infinity", GOOD.replace("0.25", "1e999"), ("column x2, row 2", "1e999", "finite")),
    ("label 0", GOOD.replace(",3\n", ",0\n"), ("label is 0 in row 1", "1 to 3", "from 1")),
    ("label 4", GOOD.replace(",3\n", ",4\n"), ("label is 4 in row 1", "1 to 3")),
    ("half a label", GOOD.replace(",3\n", ",1.5\n"), ("column label, row 1", "1.5", "whole")),
    ("a long label", GOOD.replace(",3\n", f",{'9' * 5000}\n"), ("column label, row 1", "…")),
    ("an open quote", GOOD + '"1,2,3\n', ("CSV",)),
    ("a null", GOOD.replace("0.25", "\0"), ("column x2, row 2", r"\x00")),
    ("an escape", GOOD.replace("0.25", "\x1b[31m"), (r"\x1b",)),
    ("a huge field", GOOD + "9" * 200_000 + ",1,1\n", ("CSV",)),
]

ARRAYS = [
    # what is wrong, the arrays, what the message must say
    ("no x", {"y": Y}, ("no array x", "there is y")),
    ("no target", {"x": X}, ("no array y or label", "there is x")),
    ("both targets", {"x": X, "y": Y, "label": LABEL}, ("both",)),
    ("a stranger", {"x": X, "labels": LABEL}, ("labels", 'did you mean "label"')),
    ("one input too many", {"x": np.ones((3, 4)), "y": Y}, ("x", "(3, 4)", "(N, 2)", "n_0 = 2")),
    ("transposed", {"x": X.T, "y": Y}, ("x", "(2, 3)", "transposed")),
    ("a vector", {"x": X[0], "y": Y}, ("x", "(2,)", "(N, 2)")),
    ("a narrow y", {"x": X, "y": Y[:, :2]}, ("y", "(3, 2)", "(N, 3)", "n_L = 3")),
    ("a row too few", {"x": X, "y": Y[:2]}, ("x", "(3, 2)", "y", "(2, 3)", "as many rows")),
    ("a label too few", {"x": X, "label": LABEL[:2]}, ("(3, 2)", "label", "(2,)")),
    ("empty", {"x": X[:0], "y": Y[:0]}, ("x", "(0, 2)", "no sample")),
    ("no label", {"x": X, "label": LABEL[:0]}, ("label", "(0,)")),
    ("integers", {"x": X.astype(int), "y": Y}, ("x", "int64", "astype(float)")),
    ("bytes", {"x": X, "y": Y.astype("u1")}, ("y", "uint8", "astype(float)")),
    ("truths", {"x": X > 0, "y": Y}, ("x", "bool")),
    ("complex", {"x": X + 0j, "y": Y}, ("x", "complex128")),
    ("words", {"x": X.astype(str), "y": Y}, ("x", "<U")),
    ("objects", {"x": X.astype(object), "y": Y}, ("x", "objects")),
    ("nan", {"x": X * [1, np.nan], "y": Y}, ("x", "(3, 2)", "nan", "row 1, column 2")),
    ("infinity", {"x": X, "y": np.where(Y, np.inf, Y)}, ("y", "inf in row 1, column 3")),
    ("float labels", {"x": X, "label": LABEL + 0.0}, ("label", "float64", "integers")),
    ("one-hot labels", {"x": X, "label": Y.astype(int)}, ("label", "(3, 3)", "(N,)")),
    ("labels from 0", {"x": X, "label": LABEL - 1}, ("label is 0 in row 2", "count from 1")),
    ("labels beyond", {"x": X, "label": LABEL + 1}, ("label is 4 in row 1", "1 to 3")),
    ("labels below", {"x": X, "label": -LABEL}, ("label is -3 in row 1",)),
]  # fmt: skip


@pytest.fixture
def refused(capsys, monkeypatch, tmp_path):
    """Run `descend` on a file that must be refused: one line, status 2, nothing written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.toml").write_text(
        '[network]\ninputs = 2\nloss = "squared_error"\nlayers = [ { units = 3, activation = '
        '"tanh" } ]\n[values]\nlearning_rate = 0.25\n'
    )

    def run(name, content):
        (tmp_path / name).write_bytes(content)
        before = sorted(tmp_path.rglob("*"))
        status = main(["descend", "net.toml", "--data", name, "--epochs", "3"])
        out, err = capsys.readouterr()
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"symback: {name}: ")
        assert len(err) < 400
        assert all(character.isprintable() for character in err[:-1])
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return run


@pytest.mark.parametrize(("text", "words"), [t[1:] for t in TEXTS], ids=[t[0] for t in TEXTS])
def test_a_wrong_csv(refused, text, words):
    """The message names the file, the column, the row, and what was expected."""
    message = refused("data.csv", text.encode())
    assert all(word in message for word in words), message


@pytest.mark.parametrize(("arrays", "words"), [a[1:] for a in ARRAYS], ids=[a[0] for a in ARRAYS])
def test_a_wrong_npz(refused, arrays, words):
    """The message names the file, the array and both shapes."""
    message = refused("data.npz", packed(**arrays))
    assert all(word in message for word in words), message


def test_bytes_that_are_no_csv(refused):
    """Not UTF-8: where."""
    assert "UTF-8: byte 0xff at offset 14" in refused(
        "data.csv", GOOD.encode().replace(b"5", b"\xff", 1)
    )


@pytest.mark.parametrize("kind", ["text", "empty", "cut", "zip", "spoilt", "huge"])
def test_bytes_that_are_no_npz(refused, kind, monkeypatch):
    """Whatever else calls itself .npz; a bomb is refused by its table of contents."""
    good = packed(x=X, y=Y)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"\0" * 10_000_000)
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("x.txt", "hello")
    contents = {
        "text": b"hello", "empty": b"", "cut": good[: len(good) // 2], "zip": other.getvalue(),
        "spoilt": good.replace(b"descr", b"decsr"), "huge": bomb.getvalue(),
    }  # fmt: skip
    if kind == "huge":
        monkeypatch.setattr(samples, "LARGEST_FILE", 1_000_000)
    message = refused("data.npz", contents[kind])
    if kind == "huge":
        assert "10,000,000 bytes" in message


def test_a_header_that_claims_too_much(refused):
    """A .npy header of a million million numbers is no reason to run out of memory."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 2)}
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("x.npy", file.getvalue())
        made.writestr("y.npy", file.getvalue())
    refused("data.npz", archive.getvalue())


def test_files_that_are_none(capsys, tmp_path, monkeypatch):
    """No file, a folder, a device: said before anything is read."""
    for name, words in (("none.csv", "no such file"), ("folder.csv", "directory")):
        if name.startswith("folder"):
            (tmp_path / name).mkdir()
        with pytest.raises(DataError, match=words):
            read(tmp_path / name, 2, 3)
    with pytest.raises(DataError):
        read("nul\0.csv", 2, 3)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"x": X}, "neither"),
        ({"x": X, "y": Y, "label": LABEL}, "both"),
        ({"x": [[1.0], [1.0, 2.0]], "y": Y}, "different lengths"),
        ({"x": None, "y": Y}, "x of shape"),
        ({"x": X.tolist(), "label": 3}, r"label has shape \(\)"),
    ],
)
def test_arrays_in_python(given, words):
    """The same messages, without a file's name."""
    with pytest.raises(DataError, match=words):
        check(**given, inputs=2, outputs=3)


def test_one_output_has_no_label():
    """A label for a network with a single output: the message says what it learns instead."""
    with pytest.raises(DataError, match="y1"):
        check(X, label=LABEL, inputs=2, outputs=1)
