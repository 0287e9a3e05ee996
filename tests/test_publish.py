"""Files are written whole or not at all, and PDFs are made by a TeX that can do no harm."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import symback as sb
from pages import EXAMPLES, network
from symback.cli import main
from symback.language import files
from symback.language.files import CannotWrite, put
from symback.sheets.files import Disagreement, check, pdf
from typesetting import needs_tex

FILES = {"a.txt": b"new a", "b.txt": b"new b", "c.txt": b"new c"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_all_is_written(tmp_path):
    """Every file is there, with the rights of a new file, and no temporary file is left."""
    placed = put(FILES, tmp_path / "deep" / "er")
    assert contents(tmp_path / "deep" / "er") == FILES
    assert [path.name for path in placed] == list(FILES)
    umask = os.umask(0)
    os.umask(umask)
    assert placed[0].stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.parametrize("failing", range(1, 8))
@pytest.mark.parametrize("old", [{}, {"a.txt": b"old a"}, {"c.txt": b"old c", "z": b"z"}])
def test_nothing_is_written_where_a_rename_fails(tmp_path, monkeypatch, failing, old):
    """Whichever rename fails, the folder is left as it was: old files whole, new ones gone.

    And at no moment is a file not there that was.
    """
    for name, content in old.items():
        (tmp_path / name).write_bytes(content)
    calls = []
    replace = Path.replace

    def sometimes(self, target):
        calls.append(target)
        assert {name for name in old if (tmp_path / name).is_file()} == {*old}
        if len(calls) == failing:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", sometimes)
    if failing > len(FILES):
        put(FILES, tmp_path)
        assert contents(tmp_path) == {**old, **FILES}
        return
    with pytest.raises(CannotWrite, match="No space left on device"):
        put(FILES, tmp_path)
    assert contents(tmp_path) == old


@pytest.mark.parametrize("failing", range(1, 4))
def test_nothing_is_written_where_the_disk_is_full(tmp_path, monkeypatch, failing):
    """A write that fails leaves neither files nor a new folder."""
    calls = []

    def full(folder, content, *, durable):
        calls.append(content)
        if len(calls) == failing:
            raise OSError(28, "No space left on device")
        return real(folder, content, durable=durable)

    real = files._temporary
    monkeypatch.setattr(files, "_temporary", full)
    with pytest.raises(CannotWrite):
        put(FILES, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_interruption_leaves_nothing(tmp_path, monkeypatch):
    """Ctrl-C amid the renames leaves the folder as it was, and is not swallowed."""
    (tmp_path / "a.txt").write_bytes(b"old a")

    def interrupted(self, target):
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        put(FILES, tmp_path)
    assert contents(tmp_path) == {"a.txt": b"old a"}


def test_a_folder_in_the_place_of_a_file(tmp_path):
    """A folder that has the name of a sheet is an error, and no other sheet is written."""
    (tmp_path / "c.txt").mkdir()
    with pytest.raises(CannotWrite, match="cannot write"):
        put(FILES, tmp_path)
    assert contents(tmp_path) == {}


def test_a_file_in_the_place_of_the_folder(tmp_path):
    """A file where the folder should be is an error in one line, and it is left alone."""
    (tmp_path / "outputs").write_text("mine")
    for folder in (tmp_path / "outputs", tmp_path / "outputs" / "deeper"):
        with pytest.raises(CannotWrite) as caught:
            put(FILES, folder)
        assert "\n" not in caught.value.message
        assert str(tmp_path / "outputs") in caught.value.message
    assert (tmp_path / "outputs").read_text() == "mine"


# --------------------------------------------------------------------------------------- Markdown


def test_markdown_has_its_picture_beside_it(tmp_path):
    """The picture is a file in the same folder, the one that `symback figure` writes."""
    net, weight = str(EXAMPLES / "s5.toml"), ("--wrt", "w_131")
    assert main(["sheet", net, *weight, "--format", "md", "-o", str(tmp_path / "a")]) == 0
    assert main(["figure", net, *weight, "--format", "svg", "-o", str(tmp_path / "b")]) == 0
    markdown = (tmp_path / "a" / "s5_w_131.md").read_text("utf-8")
    assert "](s5_w_131_figure.svg)" in markdown
    said = "From the left, with the number of neurons: input: 4; layer 1 \\(sigmoid\\): 4;"
    assert f"![{said}" in markdown
    assert "<svg" not in markdown
    name = "s5_w_131_figure.svg"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_every_way_of_showing_has_a_name_of_its_own(tmp_path, capsys):
    """A notation, a detail and both overwrite neither the plain sheet nor one another."""
    own = tmp_path / "my letters.toml"
    own.write_text('base = "nielsen"\nloss = "J"\n', "utf-8")
    ways = ([], ["--notation", "nielsen"], ["--detail", "brief"], ["--detail", "full", "--stable"])
    ways += (["--notation", "nielsen", "--detail", "brief"], ["--notation", str(own)])
    folder = tmp_path / "made"
    for way in ways:
        for what in (["--wrt", "w_131"], ["--all"]):
            net = [str(EXAMPLES / "s5.toml"), *what, *way, "--format", "txt", "-o", str(folder)]
            assert main(["sheet", *net]) == 0
    for way in ([], ["--notation", "bishop"]):
        net = [str(EXAMPLES / "s5.toml"), *way, "--format", "svg", "-o", str(folder)]
        assert main(["figure", *net, "--wrt", "w_131"]) == main(["figure", *net]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith(str(folder))]
    names = ("", "_nielsen", "_brief", "_full_stable", "_nielsen_brief", "_my-letters")
    expected = {f"s5_{what}{name}.txt" for what in ("w_131", "all") for name in names}
    expected |= {"s5_figure.svg", "s5_w_131_figure.svg"}
    expected |= {"s5_bishop_figure.svg", "s5_w_131_bishop_figure.svg"}
    assert set(contents(folder)) == {Path(line).name for line in said} == expected
    assert len(said) == len(expected)


# -------------------------------------------------------------------------------------------- PDF


@needs_tex
def test_pdf(tmp_path, capsys):
    """A sheet and a figure as PDF, whatever their names look like to a command line."""
    net = tmp_path / "-rf sheet & $(x).toml"
    net.write_text((EXAMPLES / "s1.toml").read_text("utf-8"), "utf-8")
    folder = tmp_path / "made"
    assert main(["sheet", str(net), "--wrt", "w", "--format", "pdf,txt", "-o", str(folder)]) == 0
    made = folder / "-rf sheet & $(x)_w.pdf"
    assert made.read_bytes().startswith(b"%PDF")
    assert len(list(folder.iterdir())) == 2
    assert capsys.readouterr().err == ""


@needs_tex
def test_pdf_has_equal_bytes():
    """The same document gives the same PDF: it records neither the time nor the place."""
    source = "\\documentclass{article}\\begin{document}x\\end{document}"
    assert pdf(source, "one") == pdf(source, "two")


@needs_tex
def test_what_tex_refuses_is_one_message(tmp_path):
    """TeX's first error is the message; nothing is written."""
    with pytest.raises(CannotWrite, match="TeX refused sheet: ! Undefined control sequence") as e:
        pdf(r"\documentclass{article}\begin{document}\nosuchmacro\end{document}", "sheet")
    assert "\n" not in e.value.message


@needs_tex
@pytest.mark.parametrize(
    "body", [r"\input{/etc/passwd}", r"\immediate\write18{touch %s} x", r"\openin1=/etc/passwd x"]
)
def test_tex_is_locked_in(tmp_path, body):
    """TeX opens no file of the machine and runs no program."""
    marker = tmp_path / "escaped"
    source = rf"\documentclass{{article}}\begin{{document}}{body}\end{{document}}"
    try:
        made = pdf(source.replace("%s", str(marker)), "sheet")
    except CannotWrite:
        made = b""
    assert b"root" not in made
    assert not marker.exists()


def test_without_tex_the_message_says_what_to_install(monkeypatch, tmp_path, capsys):
    """Where latexmk is missing the message names the apt line, and no other form is written."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    net, folder = str(EXAMPLES / "s1.toml"), tmp_path / "new"
    assert main(["sheet", net, "--wrt", "w", "--format", "html,pdf", "-o", str(folder)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "apt-get install" in err
    assert "latexmk" in err
    assert not folder.exists()


def test_a_tex_that_hangs(monkeypatch):
    """A TeX that does not end is ended, and the message says so."""

    def hang(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr("shutil.which", lambda name: name)
    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(CannotWrite, match="TeX took longer than"):
        pdf("", "sheet")


# ------------------------------------------------------------------------------------- the check


def test_check_says_how_far_the_numbers_agree():
    """The line under the files names the number and the digits; without numbers there is none."""

    def said(name, wrt):
        return check(network(name), network(name).derive(wrt))

    assert said("s1", "w").startswith("checked: dL/dw = -2.0 agrees")
    assert "50 digits" in said("s5", "w_131")
    assert said("s6", "w_111") == ""
    assert said("s5", "h_13") == ""


def test_check_refuses_a_wrong_derivation(monkeypatch):
    """A derivative that no difference confirms stops the command: it is never printed."""
    derivation = network("s5").derive("w_132")
    wrong = {**derivation.network.gradients, "W1": derivation.network.gradients["W1"] * 2}
    monkeypatch.setitem(derivation.network.__dict__, "gradients", wrong)
    with pytest.raises(Disagreement, match="w_132"):
        check(derivation.network, derivation)


def test_a_derivative_that_vanishes_is_confirmed():
    """At x = 0 the slope of 1000 x³ is 0, and the cube in the difference is no disagreement."""
    flat = sb.equations({"y": "1000*x**3"}, values={"x": 0})
    assert check(flat, flat.derive("x")).startswith("checked: dy/dx = 0")


def test_a_full_disk_keeps_no_temporary_file(tmp_path, monkeypatch):
    """A write that stops half-way takes its half away, so that there is room again."""
    (tmp_path / "a.txt").write_bytes(b"old a")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWrite, match="No space left"):
        put({"a.txt": b"new a"}, tmp_path, durable=True)
    assert contents(tmp_path) == {"a.txt": b"old a"}


def test_a_checkpoint_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    """What is durable is synchronized first and renamed then."""
    seen = []
    replace = Path.replace
    monkeypatch.setattr(os, "fsync", lambda _: seen.append("sync"))
    monkeypatch.setattr(Path, "replace", lambda *pair: (seen.append("rename"), replace(*pair)))
    put({"a.npz": b"a"}, tmp_path, durable=True)
    assert seen == ["sync", "rename", "sync"]


def test_two_writers_of_one_name_do_not_fail_each_other(tmp_path):
    """Each writes whole files, whoever comes last."""

    def write(text):
        for _ in range(100):
            put({"a.txt": text * 1000, "b.txt": text}, tmp_path)

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(write, text) for text in (b"1", b"2", b"3")]:
            done.result()
    assert sorted(contents(tmp_path)) == ["a.txt", "b.txt"]
    assert contents(tmp_path)["a.txt"] in (b"1" * 1000, b"2" * 1000, b"3" * 1000)
