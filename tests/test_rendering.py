"""Every page can be set: KaTeX in strict mode, TeX without Overfull, a browser without complaint.

What a user wrote stays words in all four forms, and equal input gives equal bytes.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import subprocess
import sys

import pytest

import symback as sb
from pages import CASES, DETAILS, FORMS, html_formulas, md_formulas, network, page
from symback.network import Network
from symback.sheets.page import Words
from symback.sheets.rendering import picture_html
from typesetting import (
    ROOT,
    browser_console,
    browser_dom,
    compile_tex,
    katex_errors,
    missing_glyphs,
    needs_browser,
    needs_tex,
    outside_addresses,
    overfull_lines,
)

WHOLE = [(name, None) for name in dict(CASES) if name != "ten_classes"]

# ------------------------------------------------------------------------------------------ KaTeX


def levels(name, wrt):
    """A full sheet holds what a normal one holds."""
    return ("normal",) if wrt is None or name == "ten_classes" else DETAILS[::2]


@functools.cache
def _complaint(formula: str, display: bool) -> str:
    found = katex_errors([formula], display=display)
    return found[0][1] if found else ""


def complaints(formulas):
    """What KaTeX says of each formula that it cannot set; every formula is asked once."""
    return [(f, _complaint(f, d)) for f, d in dict.fromkeys(formulas) if _complaint(f, d)]


@pytest.mark.parametrize(("name", "wrt"), CASES + WHOLE)
def test_katex_sets_every_formula(name, wrt):
    """Each formula of a page, HTML and Markdown, at each level of detail, passes strict KaTeX."""
    for detail in levels(name, wrt):
        html = html_formulas(page(name, wrt, "html", detail))
        markdown = md_formulas(page(name, wrt, "md", detail))
        assert len(html) > 3
        assert len(markdown) > 1  # a brief page has the chain rule and the result
        assert complaints(html) == []
        assert complaints(markdown) == []


@pytest.mark.parametrize(
    ("activation", "output", "loss"),
    [
        ("sigmoid", "softmax", "cross_entropy"),
        ("tanh", "softmax", "squared_error"),
        ("elu", "sigmoid", "binary_cross_entropy"),
        ("gelu", "softplus", "huber"),
        ("silu", "linear", "half_squared_error"),
    ],
)
def test_what_a_program_computes_stands_on_the_sheet(activation, output, loss):
    """On request: the identities of the kernel, typeset, and the same lines as in its source."""
    net = sb.Network(2, [(2, activation), (2, output)], loss=loss)
    html = net.sheet("html", stable=True)
    assert "In floating point" in html
    assert "In floating point" not in net.sheet("html")
    assert complaints(html_formulas(html)) == []
    source = " ".join(net.kernel("array").source.split())
    shown = net.derive("w_111").sheet("txt", stable=True).partition("In floating point")[2]
    lines = [" ".join(line.split()) for line in shown.splitlines() if line.startswith("  ")]
    assert lines
    assert [line for line in lines if line not in source] == []


@needs_tex
def test_what_a_program_computes_is_set_by_tex(tmp_path):
    """The section in LaTeX, with functions given by cases."""
    net = sb.Network(2, [(2, "elu"), (2, "softmax")], loss="cross_entropy")
    log = compile_tex(net.derive("w_111").sheet("tex", "brief", stable=True), tmp_path)
    assert overfull_lines(log) == []
    assert missing_glyphs(log) == []


def test_a_wrong_formula_is_found():
    """A formula that KaTeX cannot set is found in HTML and in Markdown."""
    html, markdown = page("s5", "w_131", "html"), page("s5", "w_131", "md")
    assert complaints(html_formulas(html.replace(r"\hat{y}_{1}", r"\hat{y}_{1}_{2}")))
    assert complaints(md_formulas(markdown.replace(r"\hat{y}_{1}", r"\nohat{y}_{1}")))


# ---------------------------------------------------------------------------- Markdown and text


@pytest.mark.parametrize(("name", "wrt"), [("s5", "w_131"), ("s7", None), ("relu", "w_121")])
def test_markdown_is_what_github_renders(name, wrt):
    r"""Formulas are code to Markdown, so that it takes no backslash and no underscore out of them.

    Within $…$ alone GitHub reads ``\,`` as a comma and two _ as italics; it refuses
    ``\operatorname``.
    """
    markdown = page(name, wrt, "md")
    assert len(md_formulas(markdown)) > 10
    assert r"\operatorname" not in markdown
    rest = re.sub(r"^```math\n.*?^```$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    rest = re.sub(r"\$`[^`]+`\$", "", rest)
    assert not re.search(r"(?<!\\)[$`_]|\\[a-z]", rest)


def test_no_caption_without_its_picture():
    """Text shows no picture, and neither does Markdown alone: nothing is said of their colours."""
    for name, wrt in (("s5", "w_131"), ("deep_softmax", "w_111"), ("s7", None)):
        for form in ("md", "txt"):
            for detail in ("normal", "brief"):
                words = page(name, wrt, form, detail)
                assert "colour" not in words
                assert not re.search(r"1\. The network\n-*\n+(#|2)", words)


@pytest.mark.parametrize(("name", "wrt"), [("s5", "w_131"), ("s7", None), ("s1", "w")])
def test_numbers_have_the_digits_they_are_said_to_have(name, wrt):
    """Behind ≈ stand four digits or more, zeros at the end included."""
    alone = r"≈ -?([\d.]+)(?:e-?\d+)?(?=$|    \[)"
    rounded = re.findall(alone, page(name, wrt, "txt"), re.MULTILINE)
    short = [shown for shown in rounded if len(shown.replace(".", "").lstrip("0")) < 4]
    assert short == []
    assert len(rounded) > 4 or name == "s1"


# -------------------------------------------------------------------------------------------- TeX

TEX = [
    *((name, wrt, "normal") for name, wrt in CASES if name not in ("s5", "wide")),
    ("s1", "w", "full"),
    ("s2", "x", "full"),
    ("s5", "w_131", "brief"),
    ("s5", "w_131", "normal"),
    ("s5", "w_131", "full"),
    ("s7", "w_111", "full"),
    ("wide", "w_325", "normal"),
    ("wide", "w_1,2,3", "full"),
    ("ten_classes", "w_111", "full"),
    ("deep_softmax", "w_111", "full"),
    ("elu_gelu_silu_softplus", "w_111", "full"),
    ("user_activation", "w_112", "full"),
    ("symbolic_batch", "w_111", "full"),
    ("batch", "w_111", "brief"),
    *((name, None, "normal") for name in ("s1", "s2", "s3", "s5", "s6", "s7", "batch", "relu")),
    ("wide", None, "normal"),
    ("bias_per_layer", None, "full"),
]


def joined(sources):
    """One document of several with the same preamble: TeX's start costs more than a page."""
    heads, bodies = [], []
    for source in sources:
        head, _, rest = source.partition(r"\begin{document}")
        heads.append(head)
        bodies.append(rest.rpartition(r"\end{document}")[0])
    assert len({re.sub(r"%.*", "", head) for head in heads}) == 1
    body = "\n\\clearpage\\setcounter{section}{0}\n".join(bodies)
    return f"{heads[0]}\\begin{{document}}{body}\\end{{document}}"


def marked(name, wrt, detail):
    """A sheet that says in TeX's log which it is."""
    source = page(name, wrt, "tex", detail)
    start = r"\begin{document}"
    return source.replace(start, rf"{start}\typeout{{Overfull so far: {name} {wrt} {detail}}}")


@needs_tex
@pytest.mark.parametrize("part", range(4))
def test_tex_sets_every_sheet(tmp_path, part):
    """Every sheet compiles, nothing is wider than its place and no glyph is missing."""
    log = tex_log(joined(marked(*one) for one in TEX[part::4]), tmp_path)
    assert overfull_lines(log) == []
    assert missing_glyphs(log) == []


@needs_tex
def test_tex_sets_a_whole_network(tmp_path):
    """The sheet of a whole network, with its table of contents, through latexmk."""
    log = compile_tex(page("s7", None, "tex"), tmp_path)
    assert overfull_lines(log) == []
    assert "undefined references" not in log
    assert "The gradient of" in (tmp_path / "sheet.toc").read_text("utf-8")


@needs_tex
def test_an_overfull_line_is_found(tmp_path):
    """A formula too long for its page is found in the log of a sheet, and so is an error."""
    start, long = r"\begin{align*}", "a+" * 90 + "a"
    source = page("s1", "w", "tex").replace(start, rf"{start} x &= {long} \\", 1)
    assert overfull_lines(tex_log(source, tmp_path))
    with pytest.raises(AssertionError, match="nosuchmacro"):
        tex_log(source.replace(long, r"\nosuchmacro"), tmp_path)


def tex_log(source, folder):
    """The log of one quick run that makes no page; fails the test where TeX fails."""
    (folder / "sheet.tex").write_text(source, "utf-8")
    command = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error"]
    run = subprocess.run(
        [*command, "-no-shell-escape", "sheet.tex"],
        cwd=folder,
        env={**os.environ, "max_print_line": "100000", "openin_any": "p"},
        capture_output=True,
        timeout=300,
    )
    log = (folder / "sheet.log").read_text("utf-8", errors="replace")
    assert run.returncode == 0, re.search(r"^!.*(?:\n.*){0,8}", log, re.MULTILINE)[0]
    return log


# ---------------------------------------------------------------------------------------- browser


@needs_browser
@pytest.mark.parametrize(
    ("name", "wrt", "detail"),
    [
        ("s5", "w_131", "full"),
        ("s7", None, "normal"),
        ("wide", "w_1,2,3", "brief"),
    ],
)
def test_a_browser_sets_the_page(tmp_path, name, wrt, detail):
    """Each formula is typeset, none in red, nothing is fetched, nothing is said on the console."""
    html = page(name, wrt, "html", detail)
    assert outside_addresses(html) == []
    path = tmp_path / "sheet.html"
    path.write_text(html, "utf-8")
    dom = browser_dom(path)
    assert 'data-typeset="done"' in dom
    assert dom.count('class="katex-error"') == 0
    formulas = html_formulas(html)
    assert len(re.findall(r'<span class="m[^"]*"[^>]*data-tex=', dom)) == len(formulas)
    assert len(re.findall(r'<span class="katex(?:-display)?">', dom)) >= len(formulas)
    assert browser_console(path) == []


# ----------------------------------------------------------------------------------- equal bytes

_DIGESTS = """
import hashlib, json, sys
sys.path.insert(0, "tests")
from pages import CASES, FORMS, network, page
found = {}
several = "s1 s2_nested s3 s5 s6 batch bias_per_layer relu user_activation branches".split()
for name, wrt in [(name, dict(CASES)[name]) for name in several] + [("s5", None), ("s7", None)]:
    for form in FORMS:
        text = page(name, wrt, form, "full" if wrt else "normal")
        found[f"{name} {wrt} {form}"] = hashlib.sha256(text.encode()).hexdigest()
    if wrt:
        derivation = network(name).derive(wrt)
        data = json.dumps(derivation.as_json()) + derivation.text() + derivation.latex()
        found[f"{name} {wrt} derive"] = hashlib.sha256(data.encode()).hexdigest()
print(json.dumps(found))
"""


def test_equal_bytes_under_two_hash_seeds():
    """Every form of every sheet has the same bytes whatever PYTHONHASHSEED is."""
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", _DIGESTS],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("0", "4242")
    ]
    first, second = (json.loads(run.communicate(timeout=200)[0]) for run in runs)
    assert len(first) > 50
    assert [key for key in first if first[key] != second[key]] == []


def test_equal_bytes_twice():
    """A sheet made again, from a network loaded again, has the same bytes."""
    for form in FORMS:
        again = sb.load(ROOT / "examples" / "s5.toml").derive("w_131").sheet(form)
        assert (
            hashlib.sha256(again.encode()).digest()
            == hashlib.sha256(page("s5", "w_131", form).encode()).digest()
        )


# ---------------------------------------------------------------------------------- hostile words

HOSTILE = [
    r"\input{/etc/passwd}",
    r"\immediate\write18{touch escaped} \end{document}",
    "</script><script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=1">',
    "</style></title></svg><b>bold</b>",
    "$x$ and $$y$$ and \\(z\\)",
    "100% sure # & _ ^ ~ {brace} }{ ^^41 <<title>> <% raise %> {{ 7*7 }}",
    "größe 漢字 Δ → ∑ 🙂 ŷ_1",
    "[link](javascript:alert(1)) `code` **bold** | pipe",
    "--- ``quotes'' ?` !` fi ffl",
]


def titled(title: str) -> Network:
    values = {"x": [1.0], "y": [0.5], "W1": [[0.3]], "b1": [0.1], "learning_rate": 0.1}
    return Network(1, [(1, "sigmoid")], loss="squared_error", values=values, title=title)


@pytest.mark.parametrize("title", HOSTILE)
def test_a_title_is_words_in_html(title):
    """A title adds no element to a page, and it is read as it was written."""
    plain, hostile = titled("A title").derive("w_111"), titled(title).derive("w_111")
    html = hostile.sheet("html")
    assert html.count("<") == plain.sheet("html").count("<")
    assert html.count(">") == plain.sheet("html").count(">")
    assert outside_addresses(html) == []
    assert "49" not in re.search(r"<h1>(.*?)</h1>", html)[1]
    md = hostile.sheet("md").partition("\n")[0]
    assert not re.search(r"(?<!\\)[<>`$*\[\]|]", md)


@needs_browser
def test_hostile_titles_in_a_browser(tmp_path):
    """No script, image or element of a title's own comes to life."""
    path = tmp_path / "sheet.html"
    path.write_text(titled(" ".join(HOSTILE[2:5])).derive("w_111").sheet("html"), "utf-8")
    plain = tmp_path / "plain.html"
    plain.write_text(titled("A title").derive("w_111").sheet("html"), "utf-8")
    dom, expected = browser_dom(path), browser_dom(plain)
    for tag in ("<script", "<img", "<b>", "<style"):
        assert dom.count(tag) == expected.count(tag), tag
    assert "<title>owned" not in dom
    assert browser_console(path) == []


@needs_tex
def test_hostile_titles_in_tex(tmp_path):
    """TeX prints a hostile title as text, reads no file for it and runs nothing."""
    sources = [titled(title).derive("w_111").sheet("tex", "brief") for title in HOSTILE]
    log = compile_tex(joined(sources), tmp_path)
    assert missing_glyphs(log) == []
    assert overfull_lines(log) == []
    assert not (tmp_path / "escaped").exists()
    assert "/etc/passwd" not in log
    text = subprocess.run(
        ["pdftotext", "-layout", "sheet.pdf", "-"], cwd=tmp_path, capture_output=True, text=True
    ).stdout
    for words in (r"\input{/etc/passwd}", "100% sure # & _", "$x$ and $$y$$", "größe"):
        assert words in text, words
    assert "root:" not in text


def test_control_characters_reach_no_form():
    """What does not print stays out of every form: no escape sequence, no direction mark."""
    network = titled("A")
    page = __import__("symback.sheets.chapters", fromlist=["sheet"]).sheet(
        network, network.derive("w_111")
    )
    import dataclasses

    from symback.sheets.page import Say
    from symback.sheets.rendering import render

    hostile = "a\x1b[31mb\x00c\u202ed\ud800e\x7ff\nnew\u2028line"
    title = Say("title.own", {"title": Words(hostile)})
    page = dataclasses.replace(page, title=title, tab=title)
    for form in FORMS:
        text = render(page, form)
        for mark in "\x1b\x00\u202e\ud800\x7f\u2028":
            assert mark not in text, (form, mark)
        text.encode("utf-8")


def test_a_name_of_a_function_is_words(tmp_path):
    """The widest names that a file may give an activation stay words in every form."""
    name = "x_" * 19 + "y"
    values = {"x": [1.0], "y": [0.5], "W1": [[0.3]], "b1": [0.1]}
    net = Network(
        1,
        [(1, name)],
        loss="squared_error",
        values=values,
        activations={name: "z/(1+exp(-2*z))"},
    )
    derivation = net.derive("w_111")
    assert complaints(html_formulas(derivation.sheet("html", "full"))) == []
    assert complaints(md_formulas(derivation.sheet("md", "full"))) == []
    log = compile_tex(derivation.sheet("tex", "full"), tmp_path)
    assert overfull_lines(log) == []


# ------------------------------------------------------------------------------------- notebooks


def test_notebook_pictures_survive_untrusted():
    """A figure in a notebook is an image with its data in it, and words for who cannot see it."""
    html = picture_html(network("s5").figure("w_131"))
    assert re.fullmatch(
        r'<img src="data:image/svg\+xml;base64,[A-Za-z0-9+/=]+" alt="[^"<>]+">', html
    )
