"""What is installed is what is in the repository, however installed; locks name no place."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LOCKS = [ROOT / ".ci" / "locks" / "core.txt", ROOT / ".ci" / "locks" / "dev.txt"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command offline and return what it printed; fail the test where it fails."""
    offline = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | offline | environment,
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """List the files that git tracks and that are there."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so there is nothing to compare with")
    names = run("git", "ls-files", "-z", cwd=ROOT).split("\0")
    return [name for name in names if name and (ROOT / name).exists()]


@pytest.fixture(scope="module")
def tracked_templates(tracked) -> set[str]:
    return {name.removeprefix("templates/") for name in tracked if name.startswith("templates/")}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[str, Path]:
    """Build the wheel from the checkout, the sdist, and a wheel from the sdist."""
    direct, through = tmp_path_factory.mktemp("direct"), tmp_path_factory.mktemp("through")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir"]
    run(*build, direct, "--wheel", ROOT, cwd=direct)
    run(*build, through, ROOT, cwd=through)
    return {
        "wheel": next(direct.glob("*.whl")),
        "sdist": next(through.glob("*.tar.gz")),
        "wheel from sdist": next(through.glob("*.whl")),
    }


# Contents ---------------------------------------------------------------------------------------


def names_in(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.mark.parametrize("kind", ["wheel", "wheel from sdist"])
def test_wheel_has_the_tracked_templates_and_no_others(built, tracked_templates, kind):
    """Nothing untracked or ignored ships, and nothing tracked is forgotten."""
    prefix = "symback/templates/"
    shipped = {n.removeprefix(prefix) for n in names_in(built[kind]) if n.startswith(prefix)}
    assert tracked_templates
    assert shipped - tracked_templates == set(), "git does not track these: commit or remove them"
    assert tracked_templates - shipped == set(), "the wheel lacks these"


@pytest.mark.parametrize("kind", ["wheel", "wheel from sdist"])
def test_wheel_has_the_tracked_modules_and_no_others(built, tracked, kind):
    """The wheel holds the package and its metadata, and nothing else: no tests, no caches."""
    modules = {name for name in tracked if name.startswith("symback/")}
    shipped = {n for n in names_in(built[kind]) if not n.startswith("symback/templates/")}
    shipped = {n for n in shipped if ".dist-info/" not in n}
    assert shipped - modules == set(), "git does not track these: commit or remove them"
    assert modules - shipped == set(), "the wheel lacks these"


def test_wheel_carries_its_licences_readme_and_type_marker(built):
    """symback's licence and KaTeX's, the README as the long description, and py.typed."""
    with zipfile.ZipFile(built["wheel"]) as wheel:
        names = set(wheel.namelist())
        (metadata,) = (wheel.read(n).decode() for n in names if n.endswith(".dist-info/METADATA"))
    assert any(n.endswith("licenses/LICENSE") for n in names)
    assert any(n.endswith("licenses/templates/katex/LICENSE") for n in names)
    assert "symback/py.typed" in names
    if (ROOT / "README.md").exists():
        assert "Description-Content-Type: text/markdown" in metadata, (
            'README.md is there: say readme = "README.md" in pyproject.toml'
        )


def test_sdist_has_what_it_takes_to_test_it(built, tracked):
    """The sdist holds every tracked file of the package, templates, tests and examples."""
    with tarfile.open(built["sdist"]) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    folders = ("symback/", "templates/", "tests/", "examples/")
    assert {name for name in tracked if name.startswith(folders)} - names == set()
    assert {"pyproject.toml", "conftest.py", "LICENSE"} <= names


# Installed --------------------------------------------------------------------------------------

# Printed by the installed symback: where it is, and what it finds in its templates.
LOOK = """
import json, symback
from symback.language.files import template_dir
folder = template_dir()
files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
print(json.dumps([symback.__file__, str(folder), files]))
"""


def make_venv(folder: Path) -> Path:
    """Make a venv without symback that finds the dependencies of this one; return its Python.

    The dependencies' folder is on the path by a .pth file, whose own .pth files Python does not
    read: so this venv's editable symback is not found, which the tests below rely on.
    """
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=ROOT)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def look(python: Path, cwd: Path, **environment: str) -> tuple[Path, Path, set[str]]:
    module, folder, files = json.loads(run(python, "-c", LOOK, cwd=cwd, **environment))
    return Path(module), Path(folder), set(files)


def test_a_new_venv_has_no_symback(tmp_path):
    """The venvs of the tests below do not find this checkout by themselves."""
    python = make_venv(tmp_path / "venv")
    run(python, "-c", "import sympy", cwd=tmp_path)
    with pytest.raises(AssertionError, match="No module named 'symback'"):
        run(python, "-c", "import symback", cwd=tmp_path)


@pytest.mark.parametrize("kind", ["wheel", "wheel from sdist"])
def test_installed_wheel_works(built, tracked_templates, tmp_path, kind):
    """The installed package imports, finds its own templates, all of them, and answers."""
    python = make_venv(tmp_path / "venv")
    pip = [sys.executable, "-m", "pip", "--python", python]
    run(*pip, "install", "--no-deps", built[kind], cwd=tmp_path)
    module, folder, files = look(python, tmp_path)
    assert module.is_relative_to(tmp_path)
    assert folder.is_relative_to(tmp_path)
    assert files == tracked_templates
    assert "derive" in run(python.parent / "symback", "--help", cwd=tmp_path)


def test_editable_install_works(tracked_templates, tmp_path):
    """An editable install finds the templates of the checkout, not a copy."""
    python = make_venv(tmp_path / "venv")
    pip = [sys.executable, "-m", "pip", "--python", python]
    run(*pip, "install", "--no-deps", "--no-build-isolation", "-e", ROOT, cwd=tmp_path)
    module, folder, files = look(python, tmp_path)
    assert module == ROOT / "symback" / "__init__.py"
    assert folder == ROOT / "templates"
    assert tracked_templates <= files
    assert "derive" in run(python.parent / "symback", "--help", cwd=tmp_path)


def test_bare_checkout_works(tracked_templates, tmp_path):
    """A checkout that is only on the path works as well."""
    python = make_venv(tmp_path / "venv")
    module, folder, files = look(python, tmp_path, PYTHONPATH=str(ROOT))
    assert module == ROOT / "symback" / "__init__.py"
    assert folder == ROOT / "templates"
    assert tracked_templates <= files
    assert "derive" in run(python, "-m", "symback", "--help", cwd=ROOT, PYTHONPATH=str(ROOT))


# Locks ------------------------------------------------------------------------------------------

LOCK_LINE = re.compile(
    r"[a-z0-9][a-z0-9-]*==[0-9][\w.!+]*( ; [\w .'<>=!()]+)? \\"  # name==version ; marker \
    r"|    --hash=sha256:[0-9a-f]{64}( \\)?"
)


def pinned(lock: Path) -> dict[str, set[str]]:
    """Map each name in a lock to its versions (more than one where markers tell them apart)."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.MULTILINE):
        versions.setdefault(name, set()).add(version)
    return versions


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_holds_names_versions_and_hashes_only(lock):
    """A lock names no host, file, index or path, so it works wherever packages come from."""
    strangers = [line for line in lock.read_text().splitlines() if not LOCK_LINE.fullmatch(line)]
    assert strangers == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://example.org/simple",
        "--find-links /somewhere",
        "numpy @ file:///somewhere/numpy.whl \\",
        "numpy==2.4.6",
        "# from https://example.org",
        "-e .",
    ],
)
def test_lock_test_finds_strangers(line):
    """Each line that would tie a lock to one machine is refused."""
    assert not LOCK_LINE.fullmatch(line)


def requirements(name: str) -> list[Requirement]:
    """List a dependency group's requirements, with those of the groups that it includes."""
    group = PROJECT["dependency-groups"][name]
    own = [Requirement(entry) for entry in group if isinstance(entry, str)]
    included = [entry["include-group"] for entry in group if not isinstance(entry, str)]
    return own + [requirement for other in included for requirement in requirements(other)]


# Its wheels for all platforms are gigabytes, and those for a processor alone have their own index.
NOT_LOCKED = {"torch"}


def test_locks_are_up_to_date():
    """Each dependency in pyproject.toml is locked at a version that it allows; else `make lock`."""
    core = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    extras = PROJECT["project"]["optional-dependencies"].items()
    everything = core + [
        Requirement(text) for name, extra in extras for text in extra if name not in NOT_LOCKED
    ]
    wanted = {LOCKS[0]: core + requirements("build"), LOCKS[1]: everything + requirements("dev")}
    for lock, wishes in wanted.items():
        versions = pinned(lock)
        for wish in wishes:
            held = versions.get(wish.name, set())
            assert held, f"{lock.name} lacks {wish}: make lock"
            assert all(map(wish.specifier.contains, held)), f"{lock.name}: {wish}, not {held}"


def test_both_locks_agree():
    """What `make sheet` runs with is what the tests ran with."""
    core, dev = map(pinned, LOCKS)
    assert core == {name: dev.get(name) for name in core}


# What no file says ------------------------------------------------------------------------------

# Written so that this file does not match itself.
MACHINE = re.compile(rb"(?<![\w.\-])/(?:home|root|work|opt|Users)/[a-zA-Z.]")
REGISTRY = re.compile(rb"\b(?:py[p]i|python[h]osted|np[m]js|deb\.debi[a]n)\.(?:org|com)\b")


def test_no_tracked_file_names_a_machine_or_a_registry(tracked):
    """No path of one machine and no registry's host is in the repository."""
    found = [
        f"{name}: {match[0].decode()}"
        for name in tracked
        for pattern in (MACHINE, REGISTRY)
        if (match := pattern.search((ROOT / name).read_bytes()))
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        b"see /" + b"root/notes",
        b"file:///" + b"work/main",
        b"'/" + b"home/me/net.toml'",
        b"https://py" + b"pi.org/simple",
        b"registry.np" + b"mjs.org",
    ],
)
def test_paths_and_registries_would_be_found(text):
    """The patterns find what they are for."""
    assert MACHINE.search(text) or REGISTRY.search(text)
