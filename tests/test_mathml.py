"""Every formula of every page stands in it as MathML that says what KaTeX makes of its LaTeX."""

from __future__ import annotations

import functools
import re
from xml.etree import ElementTree as ET

import pytest

import symback as sb
from pages import CASES, html_formulas, page
from symback.language.typesetting import mathml
from typesetting import ROOT, browser_measure, katex_mathml, needs_browser

PAGES = [*CASES, *((name, None) for name in ("s1", "s3", "s6", "s7", "batch", "relu", "wide"))]

# ------------------------------------------------------------------ two readings of one formula

TRANSPARENT = {"math", "semantics", "mrow", "mstyle", "mpadded", "mtd", "menclose"}
LIMITS = {"munder": "msub", "mover": "msup", "munderover": "msubsup"}
SAME = {"∣": "|", "L": "ℒ"}


def tree(element):
    """What an element says: leaves and scripts, without what only spaces or groups them."""
    tag, inside = element.tag.rpartition("}")[2], list(element)
    if tag in ("annotation", "mspace"):
        return []
    if tag in TRANSPARENT or (inside and tag in ("mi", "mo")):  # KaTeX puts \underset into these
        return worded([part for child in inside for part in tree(child)])
    if not inside:
        return leaf(tag, element)
    parts = [tree(child) for child in inside]
    if parts[0] and parts[0][0][1] in ("∑", "max", "min"):
        tag = LIMITS.get(tag, tag)
    return [(tag, *parts)]


def leaf(tag, element):
    """A number, or any other mark; browsers know no script letters, so ℒ is one of its own."""
    mark = (element.text or "").replace("\u00a0", " ").replace("\u2009", " ").replace("\u2061", "")
    variant = element.get("mathvariant", "")
    if variant == "script":
        mark = SAME[mark]
    if "bold" in variant + element.get("style", ""):
        tag += " bold"
    upright = variant == "normal" and re.fullmatch(r"[A-Za-z]+", mark)
    kind = "word" if upright else tag if tag.startswith(("mn", "mtext")) else "mark"
    return [(kind, SAME.get(mark, mark) if mark == "∣" else mark)] if mark.strip() else []


def worded(parts):
    r"""KaTeX spells \mathrm{word} letter by letter."""
    found = []
    for part in parts:
        if part[0] == "word" and found and found[-1][0] == "word":
            found[-1] = ("word", found[-1][1] + part[1])
        else:
            found.append(part)
    return found


@functools.cache
def readings(formula, display):
    """Ours and KaTeX's."""
    ours, theirs = mathml(formula, display=display), katex_mathml(formula, display=display)
    return tree(ET.fromstring(ours)), tree(ET.fromstring(theirs))


def differing(formulas):
    """The formulas that the two read differently."""
    return [
        f for f, display in dict.fromkeys(formulas) if len({*map(repr, readings(f, display))}) > 1
    ]


@pytest.mark.parametrize(("name", "wrt"), PAGES)
def test_mathml_says_what_katex_reads(name, wrt):
    """Each formula of a page: leaf for leaf and script for script what KaTeX reads in its LaTeX."""
    formulas = html_formulas(page(name, wrt, "html", "full" if wrt else "normal"))
    assert len(formulas) > 10
    assert differing(formulas) == []


@pytest.mark.parametrize(
    ("activation", "output", "loss"),
    [
        ("gelu", "softplus", "huber"),
        ("elu", "sigmoid", "binary_cross_entropy"),
        ("leaky_relu", "softmax", "cross_entropy"),
    ],
)
def test_mathml_of_what_a_program_computes(activation, output, loss):
    """The identities of the kernel too, with their functions by cases."""
    net = sb.Network(2, [(2, activation), (2, output)], loss=loss)
    assert differing(html_formulas(net.sheet("html", stable=True))) == []


@pytest.mark.parametrize("book", ["nielsen", "bishop", "goodfellow"])
def test_mathml_in_the_letters_of_a_book(book):
    """Layers above the letters, and other losses."""
    net = sb.load(ROOT / "examples" / "s5.toml").in_notation(book)
    assert differing(html_formulas(net.derive("w_131").sheet("html"))) == []


def test_a_difference_is_found():
    """The comparison tells a script from a factor, a minus from a plus, and a lost factor."""
    right, _ = readings(r"\frac{a_{1}}{b} - c", True)
    for wrong in (r"\frac{a 1}{b} - c", r"\frac{a_{1}}{b} + c", r"\frac{a_{1}}{b} -", r"a_{1} - c"):
        assert readings(wrong, True)[0] != right
        assert readings(wrong, True)[1] != right


@pytest.mark.parametrize(
    "wrong",
    [
        r"\cancel{x}",
        r"\mathbb{1}",
        r"\frac{1}{2",
        r"a \\ b",
        "a}",
        r"\left( a",
        r"\mathscr{q}",
        "größe%",
    ],
)
def test_what_it_does_not_know_is_refused(wrong):
    """Nothing is left out in silence."""
    with pytest.raises(ValueError, match=r"no way|missing|open|closes|no script"):
        mathml(wrong)


def test_a_formula_adds_no_markup():
    """What is not ours to write as an element stands escaped, in the formula and beside it."""
    xml = mathml(r"\text{<b> & }x < y")
    assert ET.fromstring(xml).findtext(".//annotation") == r"\text{<b> & }x < y"
    assert "<b>" not in xml


# ------------------------------------------------------------------------------- on the page


@pytest.mark.parametrize(("name", "wrt"), [("s5", "w_131"), ("s7", None), ("batch", "w_111")])
def test_every_formula_of_a_page_is_mathml(name, wrt):
    """No LaTeX stands on the page as text: it is an annotation of MathML, once a formula."""
    html = page(name, wrt, "html")
    words = re.sub(r"<(script|style|annotation)\b.*?</\1>", "", html, flags=re.DOTALL)
    assert words.count("<math") == len(html_formulas(html))
    assert "\\" not in words
    assert "<svg" in words


@needs_browser
def test_without_scripts_formulas_are_seen(tmp_path):
    """In a browser that runs no script each formula has a size, and sums and fractions are tall."""
    html = page("s5", "w_131", "html")
    boxes = browser_measure(html, SIZES, tmp_path, width=1000, scripts=False)
    assert len(boxes) == len(html_formulas(html))
    assert all(width > 3 and height > 1 for width, height in boxes)
    assert max(height for _, height in boxes) > 40


SIZES = """return [...document.querySelectorAll("math")].map(e => e.getBoundingClientRect())
  .map(box => [box.width, box.height]);"""


@needs_browser
def test_what_is_copied_is_what_one_types(tmp_path):
    """A formula that is copied from the page is its LaTeX, once, among the words around it."""
    copied = browser_measure(page("s5", "w_131", "html"), COPY, tmp_path, width=1000)
    assert r"$\partial \mathscr{L} / \partial w_{131}$" in copied
    assert r"$a_{11}$ $=$ $0.1 + 0.1 \cdot 1" in copied
    assert copied.count("0.0860380070913") == 2


COPY = """getSelection().selectAllChildren(document.querySelector("main"));
const event = new ClipboardEvent("copy", { clipboardData: new DataTransfer(), cancelable: true });
document.dispatchEvent(event);
return event.clipboardData.getData("text/plain");"""
