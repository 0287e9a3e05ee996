"""What the README shows at a prompt is what the command prints (its Python runs under Sybil)."""

import re
import shlex
from pathlib import Path

import pytest

from symback.cli import main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
SESSIONS = re.findall(r"```console\n\$ symback (.*)\n((?:.*\n)*?)```", README)
COMMANDS = sorted(set(re.findall(r"`symback ((?:init|\w+ examples/)[^`]+)`", README)))


@pytest.fixture(autouse=True)
def in_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("command", "printed"), SESSIONS, ids=[c for c, _ in SESSIONS])
def test_a_session_prints_what_the_readme_shows(command, printed, capsys) -> None:
    """The output under a prompt of the README is the command's, to the letter."""
    wrong = command.startswith("check") and "✗" in printed
    assert main(shlex.split(command)) == int(wrong)
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_works(command) -> None:
    """Every command the README names ends with status 0."""
    assert main([*shlex.split(command)]) == 0


def test_there_is_something_to_test() -> None:
    """The patterns above still find sessions and commands."""
    assert len(SESSIONS) >= 2
    assert len(COMMANDS) >= 12


def test_every_link_of_the_readme_leads_somewhere() -> None:
    """No link or picture of the README points at a file that is not there."""
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert [target for target in targets if not (ROOT / target).exists()] == []
