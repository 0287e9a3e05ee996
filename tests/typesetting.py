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

import atexit
import base64
import functools
import json
import os
import re
import select
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
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
    "--allow-file-access-from-files --remote-debugging-pipe"
).split()


class _Browser:
    """One Chromium for all tests of a process: it takes a second and a half to start.

    It is spoken to in JSON over two pipes, its file descriptors 3 and 4, a zero byte after each
    message (the DevTools protocol, ``--remote-debugging-pipe``).
    """

    def __init__(self) -> None:
        from_us, self._to = os.pipe()
        self._from, to_us = os.pipe()
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command = [*_FLAGS, f"--user-data-dir={self._profile.name}"]
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec chromium "$@" 3<&{from_us} 4>&{to_us}', "chromium", *command],
            pass_fds=(from_us, to_us),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(from_us)
        os.close(to_us)
        self._sent, self._unread = 0, b""
        self.events: list[dict[str, Any]] = []
        atexit.register(self.close)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._profile.cleanup()

    def ask(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and wait for its answer; events meanwhile are kept."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": parameters}
        message |= {"sessionId": session} if session else {}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._sent:
            self.events.append(answer)
        assert "error" not in answer, f"Chromium: {method}: {answer['error']}"
        return answer["result"]

    def wait_for(self, event: str) -> None:
        """Wait until an event of that name has come."""
        while not any(each.get("method") == event for each in self.events):
            self.events.append(self._read())

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._from], [], [], 180)
            assert ready, "Chromium said nothing for three minutes"
            part = os.read(self._from, 1 << 20)
            assert part, "Chromium is gone"
            self._unread += part
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)


_browser = functools.cache(_Browser)

_SETTLED = "document.fonts.ready.then(() => new Promise(done => setTimeout(done, 0)))"


@contextmanager
def _opened(
    html_path: Path, width: int = 1000, height: int = 1400, *, dark: bool = False
) -> Iterator[Callable[..., dict[str, Any]]]:
    """Open a page in an empty profile, wait until it has settled, and give what speaks to it."""
    browser = _browser()
    browser.events.clear()
    context = browser.ask("Target.createBrowserContext")["browserContextId"]
    target = browser.ask("Target.createTarget", url="about:blank", browserContextId=context)
    attached = browser.ask("Target.attachToTarget", flatten=True, targetId=target["targetId"])
    ask = functools.partial(browser.ask, session=attached["sessionId"])
    for domain in ("Page", "Runtime", "Log"):
        ask(f"{domain}.enable")
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    ask("Emulation.setEmulatedMedia", features=[scheme])
    window = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    ask("Emulation.setDeviceMetricsOverride", **window)
    browser.events.clear()
    ask("Page.navigate", url=html_path.resolve(strict=True).as_uri())
    browser.wait_for("Page.loadEventFired")
    ask("Runtime.evaluate", expression=_SETTLED, awaitPromise=True)
    try:
        yield ask
    finally:
        browser.ask("Target.disposeBrowserContext", browserContextId=context)


def _evaluated(ask: Callable[..., dict[str, Any]], expression: str) -> Any:
    answer = ask("Runtime.evaluate", expression=expression, returnByValue=True)
    assert "exceptionDetails" not in answer, f"in the page: {answer['exceptionDetails']}"
    return answer["result"].get("value")


def browser_dom(html_path: Path) -> str:
    """Return the page as it stands after its scripts ran, as HTML."""
    with _opened(html_path) as ask:
        return _evaluated(ask, "'<!DOCTYPE html>' + document.documentElement.outerHTML")


def browser_console(html_path: Path) -> list[str]:
    """List what the page wrote to the console, uncaught errors included, files not found not."""
    with _opened(html_path):
        return [said for event in _browser().events if (said := _said(event))]


def _said(event: dict[str, Any]) -> str:
    """What a page says in an event: a call of the console, an uncaught error, a complaint."""
    given = event.get("params", {})
    match event.get("method"):
        case "Runtime.consoleAPICalled":
            return " ".join(str(each.get("value", each)) for each in given["args"])
        case "Runtime.exceptionThrown":
            thrown = given["exceptionDetails"]
            return thrown.get("exception", {}).get("description") or thrown["text"]
        case "Log.entryAdded" if given["entry"]["source"] != "network":
            return given["entry"]["text"]
    return ""


def browser_print(html_path: Path, pdf_path: Path) -> Path:
    """Print the page as a browser prints it on paper, with nothing of its own in the margins."""
    with _opened(html_path) as ask:
        ask("Emulation.clearDeviceMetricsOverride")
        printed = ask("Page.printToPDF", printBackground=False, preferCSSPageSize=True)
        pdf_path.write_bytes(base64.b64decode(printed["data"]))
    return pdf_path


def browser_measure(
    html: str, script: str, folder: Path, *, width: int, dark: bool = False, scripts: bool = True
) -> Any:
    """What `script`, the body of a function, returns in a page of that width in pixels.

    With `scripts` off the page's own are taken out first, as for a reader who has them off.
    """
    own = html if scripts else re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    path = folder / "measured.html"
    path.write_text(own, "utf-8")
    with _opened(path, width, 4000, dark=dark) as ask:
        return _evaluated(ask, f"(() => {{ {script} }})()")


def browser_screenshot(
    html_path: Path, png_path: Path, width: int = 1000, height: int = 1400
) -> Path:
    """Picture the top of the page in a window of that size, in pixels."""
    with _opened(html_path, width, height) as ask:
        png_path.write_bytes(base64.b64decode(ask("Page.captureScreenshot")["data"]))
    return png_path


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
