"""A page is written in one set of letters: figure, caption, legend, table, formulas and words."""

from __future__ import annotations

import functools
import re
import xml.etree.ElementTree as ET

import pytest

from pages import html_formulas, network
from symback.language.names import UnknownNotation
from symback.sheets import chapters, passages, rendering
from symback.sheets.chapters import overview
from symback.sheets.rendering import caption, svg, tikz
from typesetting import compile_tex, katex_errors, missing_glyphs, needs_tex, overfull_lines

OWN = """
preactivation = "u"
activation = "v"
weight = "q"
loss = "E"
weight_order = "from,into"
input_layer = 1
"""

# what the letters of the lectures look like in a notation that does not have them
FOREIGN = {
    "nielsen": r"\bh\b|h[_^]|ŷ|∂L|\bL\b|[wabz]_|W_",
    "bishop": r"\bh\b|h[_^]|ŷ|∂L|\bL\b|[wab]_|W_",
    "goodfellow": r"∂L|\bL\b|[wabh]_|W_",
    "own": r"\ba_|\bh_|∂L|\bL\b|w_|W_",
}
LETTERS = {
    "nielsen": ["z", "a", "C", "x", "w", "b"],
    "bishop": ["a", "z", "E", "x", "y", "w", "b"],
    "goodfellow": ["a", "h", "J", "x", "ŷ", "w", "b"],
    "own": ["u", "v", "E", "x", "ŷ", "q", "b"],
}

PAGES = [
    ("s5", "w_131"),
    ("s6", None),
    ("batch", None),
    ("bias_per_layer", "b_1"),
    ("chain_of_12", None),
]
each_page = pytest.mark.parametrize(("name", "wrt"), PAGES)
each_notation = pytest.mark.parametrize("letters", FOREIGN)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("notations") / "own.toml"
    path.write_text(OWN, "utf-8")
    return path


@functools.cache
def written(name, letters, own):
    return network(name).in_notation(own if letters == "own" else letters)


def page(net, wrt, form):
    made = overview(net) if wrt is None else chapters.sheet(net, net.derive(wrt), "full")
    return rendering.render(made, form)


@each_page
@each_notation
def test_no_letter_of_another_book_is_on_the_page(name, wrt, letters, own):
    """No quantity, derivative, row of a table or word is in the letters of the lectures."""
    text = page(written(name, letters, own), wrt, "txt")
    plain = re.sub(r"A_\d|tanh|softmax|θ_\S+", "", text)
    assert re.findall(rf".*(?:{FOREIGN[letters]}).*", plain) == []


@each_page
@each_notation
def test_the_figure_has_the_letters_of_the_page(name, wrt, letters, own):
    """Each name in the picture, in its caption and in its description is the page's."""
    net = written(name, letters, own)
    figure = passages.figure(net, None if wrt is None else net.derive(wrt))
    picture = ET.fromstring(svg(figure))
    spans = [span for span in picture.iter() if span.tag.endswith("tspan")]
    names = {
        s.text for s in spans if float(s.attrib["font-size"]) >= 9 and "font-style" in s.attrib
    }
    assert names <= set(LETTERS[letters])
    assert names >= set(LETTERS[letters][:3])
    said = [child.text for child in picture][:2]
    for words in (caption(figure, "txt"), *said):
        assert not re.search(FOREIGN[letters], words), words
    if letters == "nielsen" and wrt == "w_131":
        assert "w^2_31" in caption(figure, "txt")
        assert "w^{2}_{31}" in tikz(figure) or "w_{31}^{2}" in tikz(figure)
        assert "layer 2 (sigmoid)" in said[1]


@pytest.mark.parametrize(("name", "wrt"), [("s5", "w_131"), ("batch", None)])
@each_notation
def test_formulas_can_be_set(name, wrt, letters, own):
    """KaTeX sets each formula: no exponent stands on a layer above, no mark on a mark."""
    formulas = html_formulas(page(written(name, letters, own), wrt, "html"))
    for display in (True, False):
        assert katex_errors([f for f, d in formulas if d == display], display=display) == []


@needs_tex
@pytest.mark.parametrize("letters", ["nielsen", "own"])
def test_tex_sets_the_algorithm(letters, own, tmp_path):
    """LaTeX sets the matrix form and the figure, too."""
    log = compile_tex(page(written("s6", letters, own), None, "tex"), tmp_path)
    assert overfull_lines(log) == []
    assert missing_glyphs(log) == []


def test_the_layer_is_one_number():
    """Layer 12 of Nielsen's count is W^12, not the weight of a neuron 2."""
    text = page(network("chain_of_12").in_notation("nielsen"), None, "txt")
    assert "z^13 = b^13 + W^13 a^12" in text
    assert "a^13  = tanh(z^13)" in text or "a^13 = tanh(z^13)" in text


def test_the_legend_counts_as_the_book_does(own):
    """Nielsen's inputs are layer 1, and his first weights W^2; from, into turns the indices."""
    text = page(network("s5").in_notation("nielsen"), "w_131", "txt")
    assert "w^k_ij leads into neuron i of layer k from neuron j of layer k−1" in text
    assert "Indices start at 1; the inputs are layer 1." in text
    assert re.search(r"\n  2 +4 +sigmoid +W\^2 +4 × 4\n", text)
    in_html = page(network("s5").in_notation("nielsen"), "w_131", "html")
    assert re.search(r"into neuron <span[^>]*><math><semantics><mi>i</mi>", in_html)
    assert "q_kji leads into neuron i" in page(network("s5").in_notation(own), "w_131", "txt")
    assert "inputs are layer" not in page(network("s5"), "w_131", "txt")


def test_a_width_of_the_file_keeps_its_number():
    """Nielsen's layer 2 has n_1 neurons where the file calls them so: n_k-1 of any layer k."""
    text = page(network("s6").in_notation("nielsen"), None, "txt")
    assert re.search(r"z\^k_i += b\^k_i \+ Σ_\{j=1..n_\{k-2\}\} w\^k_ij·.*i = 1…n_\{k-1\}\]", text)
    assert "Σ_{j=1..n_{k-1}}" in page(network("s6"), None, "txt")
    deep = page(network("chain_of_12").in_notation("nielsen"), None, "txt")
    assert "ayer k has n_k neurons" in deep


@pytest.mark.parametrize("letters", ["bishop", "goodfellow"])
def test_a_layer_in_parentheses_needs_no_braces(letters):
    """Text writes z^(k-1)_j, and no braces of TeX within the parentheses."""
    text = page(network("s6").in_notation(letters), None, "txt")
    assert "^(k-1)_j" in text
    assert "({" not in text


def test_symbolic_widths_are_formulas():
    """The line under the title sets n_0 as the figure and the table do."""
    subtitle = page(network("s6"), None, "tex").split("itshape", 1)[1].splitlines()[0]
    assert r"$n_{0} \to n_{1} \to n_{2} \to n_{3}$ network" in subtitle
    assert "4--4--2 network" in page(network("s5"), "w_131", "tex")
    assert "n_0–n_1–n_2–n_3 network" in page(network("s6"), None, "txt")


@pytest.mark.parametrize(
    ("said", "why"), [("rows = true", "columns"), ("first_index = 0", "count neurons from 1")]
)
def test_what_a_sheet_cannot_write_is_refused(tmp_path, said, why):
    """Rows of samples and neurons counted from 0 are refused, not written in another way."""
    path = tmp_path / "mine.toml"
    path.write_text(said, "utf-8")
    with pytest.raises(UnknownNotation, match=f"{why}.*mine"):
        network("s5").in_notation(path)
