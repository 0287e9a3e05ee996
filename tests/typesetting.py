r"""Typesets what symback writes, so that a test can say that a reader would see it.

KaTeX, the one that HTML sheets carry: `katex_errors` lists the formulas that it cannot set, and
`katex_mathml` is its own MathML.
TeX: `compile_tex` makes a PDF and returns the log, in which `overfull_lines` and `missing_glyphs`
read what went wrong on the page; `pdf_to_png` makes pictures.
Chromium: `browser_dom`, `browser_console` and `browser_screenshot` open a page, `browser_measure`
asks it for sizes and colours, `browser_print` prints it; `outside_addresses` lists what it would
fetch from elsewhere.  `pdf_pages` reads a PDF.
Mark tests that call TeX or Chromium with `@needs_tex` or `@needs_browser`.
"""

import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import quickjs

ROOT = Path(__file__).resolve().parent.parent
KATEX = ROOT / "templates" / "katex" / "katex.min.js"

needs_tex = pytest.mark.tex
needs_browser = pytest.mark.browser


def _missing(programs: Iterable[str], packages: str) -> str | None:
    absent = [program for program in programs if shutil.which(program) is None]
    return f"no {', '.join(absent)} here: apt-get install {packages}" if absent else None


def missing_tex() -> str | None:
    """Say what a test marked `needs_tex` lacks here, or None."""
    packages = "latexmk lmodern poppler-utils texlive-latex-extra texlive-fonts-recommended"
    return _missing(("latexmk", "pdflatex", "pdftoppm"), packages)


def missing_browser() -> str | None:
    """Say what a test marked `needs_browser` lacks here, or None."""
    return _missing(("chromium",), "chromium")


# --- KaTeX ---------------------------------------------------------------------------------------

# Three things KaTeX lets pass even with strict: "error", so each is caught where it asks or speaks.
# It only warns of a character it has no metrics for; it ignores a line break outside any
# environment; it prints a link it does not trust in red.
_TYPESET = r"""
var warnings = [];
var console = {warn: m => warnings.push(String(m)), error: m => warnings.push(String(m))};
function typeset(formula, macros, display) {
  warnings = [];
  try {
    katex.renderToString(formula, {
      displayMode: display, macros: JSON.parse(macros), throwOnError: true,
      strict: (code, message) => { warnings.push(code + ": " + message); return "error"; },
      trust: context => { warnings.push("not trusted: " + context.command); return false; }});
  } catch (error) { warnings.push(String(error)); }
  return warnings.join("; ");
}
function mathml(formula, display) {
  return katex.renderToString(formula, {output: "mathml", displayMode: display});
}
"""


@functools.cache
def _engine():
    """Start the engine once a process: reading KaTeX takes 40 ms, a formula 3 ms."""
    context = quickjs.Context()
    context.eval(_TYPESET)
    context.eval(KATEX.read_text())
    return context, context.get("typeset"), context.get("mathml")  # they die with their context


def katex_errors(
    formulas: Iterable[str], macros: Mapping[str, str] | None = None, *, display: bool = True
) -> list[tuple[str, str]]:
    r"""List the formulas that KaTeX, in its strictest mode, cannot set, each with its complaint.

    Formulas are without dollars. `macros` is KaTeX's table, e.g. ``{r"\ind": r"\mathbf{1}"}``.
    """
    table = json.dumps(dict(macros or {}))
    _, typeset, _ = _engine()
    complaints = ((formula, typeset(formula, table, display)) for formula in formulas)
    return [(formula, complaint) for formula, complaint in complaints if complaint]


def katex_mathml(formula: str, *, display: bool = True) -> str:
    """The ``<math>`` element that KaTeX makes of a formula."""
    _, _, mathml = _engine()
    return mathml(formula, display).removeprefix('<span class="katex">').removesuffix("</span>")


# --- TeX -----------------------------------------------------------------------------------------


def compile_tex(
    source: str,
    tmp_path: Path,
    extra_files: Mapping[str, str | bytes] | None = None,
    *,
    name: str = "sheet",
) -> str:
    """Make `tmp_path`/`name`.pdf with latexmk and return TeX's log; fail the test where TeX fails.

    Shell escape is off, files outside the folder cannot be opened, the log's lines are not wrapped.
    """
    for file, content in (extra_files or {}).items():
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / f"{name}.tex").write_text(source, encoding="utf-8")
    command = ["latexmk", "-norc", "-pdf", "-interaction=nonstopmode", "-halt-on-error"]
    command += ["-no-shell-escape", f"{name}.tex"]
    environment = os.environ | {"openin_any": "p", "openout_any": "p", "max_print_line": "100000"}
    run = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
    log_path = tmp_path / f"{name}.log"
    log = log_path.read_text(encoding="utf-8", errors="replace") if log_path.exists() else ""
    assert run.returncode == 0, f"TeX failed:\n{_first_error(log) or run.stderr.decode()[-2000:]}"
    assert (tmp_path / f"{name}.pdf").exists(), "TeX made no page"
    return log


def _first_error(log: str) -> str:
    """Cut TeX's first error, which starts with an exclamation mark, out of a log."""
    error = re.search(r"^!.*(?:\n.*){0,12}", log, re.MULTILINE)
    return error[0] if error else ""


def overfull_lines(log: str) -> list[str]:
    """List the lines of a log in which TeX says that something is larger than its place."""
    return re.findall(r"^Overfull \\[hv]box.*$", log, re.MULTILINE)


def missing_glyphs(log: str) -> list[str]:
    """List the characters that TeX left out, exit status 0, because the font does not have them."""
    return re.findall(r"^Missing character:.*$", log, re.MULTILINE)


def pdf_to_png(pdf: Path, folder: Path, *, resolution: int = 110) -> list[Path]:
    """Make one picture a page, in order, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["pdftoppm", "-png", "-r", str(resolution), str(pdf), str(folder / pdf.stem)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return sorted(folder.glob(f"{pdf.stem}-*.png"))


def pdf_pages(pdf: Path) -> list[list[str]]:
    """The lines of each page that have something in them, without the page's number."""
    command = ["pdftotext", "-layout", str(pdf), "-"]
    text = subprocess.run(command, check=True, capture_output=True, timeout=300).stdout.decode()
    pages = [[line for line in page.splitlines() if line.strip()] for page in text.split("\f")]
    return [page[:-1] if page[-1].strip().isdigit() else page for page in pages if page]


# --- Chromium ------------------------------------------------------------------------------------

_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync --hide-scrollbars "
    "--enable-logging=stderr"
).split()


def _browse(html_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Open a page in a new, empty profile; virtual time lets its scripts run out first."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = ["chromium", *_FLAGS, f"--user-data-dir={profile}", "--virtual-time-budget=30000"]
        run = subprocess.run(
            [*command, *arguments, html_path.resolve(strict=True).as_uri()],
            capture_output=True,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            timeout=180,
        )
    assert run.returncode == 0, f"Chromium failed:\n{run.stderr[-2000:]}"
    return run


def browser_dom(html_path: Path) -> str:
    """Return the page as it stands after its scripts ran, as HTML."""
    return _browse(html_path, "--dump-dom").stdout


def browser_console(html_path: Path) -> list[str]:
    """List what the page wrote to the console, uncaught errors included, files not found not."""
    errors = _browse(html_path, "--dump-dom").stderr
    return re.findall(r"CONSOLE[^\]]*\] (.*)", errors)


def browser_print(html_path: Path, pdf_path: Path) -> Path:
    """Print the page as a browser prints it on paper, with nothing of its own in the margins."""
    _browse(html_path, f"--print-to-pdf={pdf_path.resolve()}", "--no-pdf-header-footer")
    return pdf_path


_FRAME = """<!doctype html><body style="margin:0"><script>
addEventListener("message", event => document.body.setAttribute("data-found", event.data));
</script><iframe src="{name}" style="border:0;width:{width}px;height:4000px"></iframe>"""
_ASK = """<script>
parent.postMessage(JSON.stringify((() => {{ {script} }})()), "*");
</script>"""


def browser_measure(
    html: str, script: str, folder: Path, *, width: int, dark: bool = False, scripts: bool = True
) -> Any:
    """What `script`, the body of a function, returns in a page of that width in pixels.

    With `scripts` off the page's own are taken out first, as for a reader who has them off.
    """
    own = html if scripts else re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    (folder / "inner.html").write_text(own + _ASK.format(script=script), "utf-8")
    outer = folder / "outer.html"
    outer.write_text(_FRAME.format(name="inner.html", width=width), "utf-8")
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    dom = _browse(outer, "--dump-dom", scheme, f"--window-size={max(width, 600)},4000").stdout
    found = re.search(r'data-found="([^"]*)"', dom)
    assert found, "the page said nothing"
    return json.loads(unescape(found[1]))


class _Addresses(HTMLParser):
    """Collects what a browser would fetch or follow: addresses in attributes and in style."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tag = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tag = tag
        for name, value in attrs:
            if name in {"src", "href", "xlink:href", "srcset", "data", "action", "poster"}:
                self.found.append(value or "")
            elif name == "style":
                self.handle_style(value or "")

    def handle_endtag(self, tag: str) -> None:
        self.tag = ""

    def handle_data(self, data: str) -> None:
        if self.tag == "style":
            self.handle_style(data)

    def handle_style(self, css: str) -> None:
        self.found += re.findall(r"""url\(\s*["']?([^"')]*)""", css)
        self.found += re.findall(r"""@import\s+["']([^"']*)""", css)


def outside_addresses(html: str) -> list[str]:
    """List the addresses in a page that lie outside it: neither `data:` nor a place in the page."""
    parser = _Addresses()
    parser.feed(html)
    parser.close()
    return [address for address in parser.found if not address.startswith(("data:", "#"))]


def browser_screenshot(
    html_path: Path, png_path: Path, width: int = 1000, height: int = 1400
) -> Path:
    """Picture the top of the page in a window of that size, in pixels."""
    _browse(html_path, f"--screenshot={png_path.resolve()}", f"--window-size={width},{height}")
    assert png_path.exists(), "Chromium made no picture"
    return png_path
