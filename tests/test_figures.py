"""Figures: what a reader sees is true of the network, stands apart, fits the page and is safe."""

import hashlib
import itertools
import math
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symback.language.files import template_dir
from symback.language.layout import COLOURS, DARK_COLOURS, PATH_STYLES, environment
from symback.language.typesetting import escape_tex, escape_xml
from symback.sheets.figure import (
    TEXT_WIDTH,
    Area,
    EdgeSketch,
    Label,
    LayerSketch,
    Name,
    Pill,
    StageSketch,
    Stroke,
    graph_figure,
    network_figure,
)
from symback.sheets.rendering import caption, preamble, svg, tikz
from typesetting import compile_tex, missing_glyphs, needs_tex, overfull_lines

HOSTILE = r"""</desc><script>alert("1")</script> & \input{/etc/passwd} $x^2$ 50% #~_{}日"""


def labels(name: Name) -> str:
    """The LaTeX of a node: a small stand-in for the engine's."""
    if name.letter == "L":
        return r"\mathscr{L}"
    letter = r"\hat{y}" if name.letter == "yhat" else name.letter
    rest = str(name).partition("_")[2]
    return f"{letter}_{{{rest}}}" if rest else letter


def node(letter: str, *indices: int | str) -> Name:
    return Name(letter, tuple(map(str, indices)))


def named(text: str) -> Name:
    """The node that is written ``w_131``, ``h_1,13``, ``x_784``."""
    letter, _, rest = text.partition("_")
    if letter in ("x", "yhat"):
        return Name(letter, (rest,))
    return Name(letter, tuple(rest.split(",") if "," in rest else rest))


def all_named(texts):
    return [named(text) for text in texts]


def ends_of(strokes):
    """What lines join, as one writes it."""
    return {tuple(map(str, stroke.ends)) for stroke in strokes}


def walk(widths, soft, path, k, i, stage):
    """Every way from neuron i of layer k to the loss, written down from the definition."""
    last = len(widths) - 1
    if stage == "a":
        for m in range(1, widths[k] + 1) if k in soft else [i]:
            name = node("yhat", m) if k == last else node("h", k, m)
            yield from walk(widths, soft, [*path, name], k, m, "h")
    elif k == last:
        yield [*path, node("L")]
    else:
        for m in range(1, widths[k + 1] + 1):
            yield from walk(widths, soft, [*path, node("a", k + 1, m)], k + 1, m, "a")


def paths_from_weight(widths, soft, k, i, j):
    return list(walk(widths, soft, [node("w", k, i, j), node("a", k, i)], k, i, "a"))


def sketches(widths, soft=()):
    words = [
        "input",
        *(f"layer {k} ({'softmax' if k in soft else 'sigmoid'})" for k in range(1, len(widths))),
    ]
    return [LayerSketch(n, words[k], k in soft) for k, n in enumerate(widths)]


def weight_figure(widths, soft, k, i, j):
    paths = paths_from_weight(widths, soft, k, i, j)
    return network_figure(sketches(widths, soft), paths[0][0], paths, len(paths), labels), paths


def bundle_figure(widths, chosen, total):
    """A softmax network of which only the number of paths is told."""
    layers = sketches(widths, {len(widths) - 1})
    return network_figure(layers, named(chosen), [], total, labels)


def partial(of: str, by: str) -> str:
    return rf"\frac{{\partial {of}}}{{\partial {by}}}"


def scalar_graph(chosen="w"):
    """S1: ŷ = w·x, s = ŷ − y, L = s²."""
    nodes = [
        StageSketch("x", "x", value="1"),
        StageSketch("w", "w", value="1"),
        StageSketch("yhat", r"\hat{y}", "w x", "1"),
        StageSketch("y", "y", value="2"),
        StageSketch("s", "s", r"\hat{y} - y", "-1"),
        StageSketch("L", "L", "s^{2}", "1"),
    ]
    edges = [
        EdgeSketch("x", "yhat", partial(r"\hat{y}", "x"), "w", "1"),
        EdgeSketch("w", "yhat", partial(r"\hat{y}", "w"), "x", "1"),
        EdgeSketch("yhat", "s", partial("s", r"\hat{y}"), "1", "1"),
        EdgeSketch("y", "s", partial("s", "y"), "-1", "-1"),
        EdgeSketch("s", "L", partial("L", "s"), "2 s", "-2"),
    ]
    return graph_figure(nodes, edges, chosen)


def chain_graph(length: int):
    """S2 and longer: one stage after the other."""
    stages = [StageSketch("s0", "x", value="2")]
    stages += [StageSketch(f"s{i}", f"A_{{{i}}}", "1 + x", "0.1353") for i in range(1, length + 1)]
    edges = [
        EdgeSketch(
            f"s{i}",
            f"s{i + 1}",
            partial(f"A_{{{i + 1}}}", f"A_{{{i}}}"),
            r"- \frac{1}{A^{2}}",
            "-0.7758",
        )
        for i in range(length)
    ]
    return graph_figure(stages, edges, "s0")


def wide_figure():
    widths, first = (784, 512, 512, 10), all_named(["w_1,13,784", "a_1,13", "h_1,13", "a_21"])
    then = all_named(["h_21", "a_31"])
    paths = [[*first, *then, node("yhat", m), node("L")] for m in range(1, 11)]
    return network_figure(sketches(widths, {3}), first[0], paths, 51200, labels)


def symbolic_figure():
    layers = [
        LayerSketch("n_{0}", "input"),
        LayerSketch("n_{1}", "layer 1"),
        LayerSketch("n_{2}", "output (softmax)", True),
    ]
    return network_figure(layers, None, [], 0, labels)


def hostile_figure():
    layers = [LayerSketch(2, HOSTILE), LayerSketch(2, HOSTILE, True), LayerSketch(1, HOSTILE)]
    return network_figure(
        layers,
        named("w_112"),
        [],
        4,
        lambda name: HOSTILE if name.letter == "w" else labels(name),
        loss=HOSTILE,
    )


GALLERY = {
    "S5": lambda: weight_figure((4, 4, 2), {2}, 1, 3, 1)[0],
    "S5 with sigmoid": lambda: weight_figure((4, 4, 2), (), 1, 3, 1)[0],
    "2-3-2": lambda: weight_figure((2, 3, 2), (), 1, 1, 2)[0],
    "4-4-4-2": lambda: weight_figure((4, 4, 4, 2), {3}, 1, 2, 1)[0],
    "hidden softmax": lambda: weight_figure((2, 3, 2), {1}, 1, 1, 2)[0],
    "twelve paths": lambda: weight_figure((3, 2, 12, 1), (), 1, 1, 1)[0],
    "784-512-512-10": wide_figure,
    "thin": lambda: weight_figure((1,) * 6, (), 1, 1, 1)[0],
    "thin and deep": lambda: weight_figure((1,) * 13, (), 1, 1, 1)[0],
    "thin and very deep": lambda: weight_figure((1,) * 41, (), 1, 1, 1)[0],
    "deep": lambda: bundle_figure((4,) * 12 + (2,), "w_612", 4**8),
    "symbolic": symbolic_figure,
    "plain": lambda: network_figure(sketches((3, 4, 2), {2}), None, [], 0, labels),
    "S1": scalar_graph,
    "S2": lambda: chain_graph(4),
    "a long chain": lambda: chain_graph(9),
}  # fmt: skip

each_figure = pytest.mark.parametrize("make", GALLERY.values(), ids=GALLERY.keys())


def nodes_of(figure):
    return [item for item in figure.of(Pill) if item.role == "node"]


def strokes_of(figure, *roles):
    return [item for item in figure.of(Stroke) if item.role in roles]


def shared_area(one, other):
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0.0) * max(high, 0.0)


# Geometry -----------------------------------------------------------------------------------------


@each_figure
def test_no_two_nodes_overlap(make):
    """Every neuron and stage has a place of its own."""
    for one, other in itertools.combinations(nodes_of(make()), 2):
        assert shared_area(one.box, other.box) == 0, (one.names, other.names)


@each_figure
def test_everything_is_inside_and_fits_a_line_of_text(make):
    """Nothing is cut off, and no figure is wider than the text of a page."""
    figure = make()
    assert figure.width <= TEXT_WIDTH
    for item in figure.items:
        left, top, right, bottom = item.box
        assert min(left, top) >= 0, item
        assert right <= figure.width + 1e-6, item
        assert bottom <= figure.height + 1e-6, item


@each_figure
def test_letters_stay_readable_on_a_phone(make):
    """No letter, index or caption has less than 9 pixels, however narrow the page."""
    picture = ET.fromstring(svg(make()))
    style = picture.attrib["style"]
    least = float(style.partition("min-width:")[2].partition("px")[0])
    pixels = least / float(picture.attrib["viewBox"].split()[2])
    sizes = [float(e.attrib["font-size"]) for e in picture.iter() if "font-size" in e.attrib]
    assert sizes
    assert min(sizes) * pixels >= 8.99
    assert float(picture.attrib["width"]) >= least


@each_figure
def test_no_caption_is_cut(make):
    """The words under the columns are whole, and those of the layers stand on one line."""
    captions = [label for label in make().of(Label) if label.role == "caption"]
    assert not any("…" in label.text for label in captions)


@each_figure
def test_labels_of_nodes_stand_inside_their_nodes(make):
    """No name reaches over the rim of its circle or over another name."""
    figure = make()
    names = [label for label in figure.of(Label) if label.role == "label"]
    for one, other in itertools.combinations(names, 2):
        assert shared_area(one.box, other.box) < 1.0, (one.text, other.text)


@pytest.mark.parametrize("name", ["w_131", "w_144", "w_211", "w_224"])
def test_the_chosen_label_stands_clear_of_nodes(name):
    """The label of the chosen weight covers no neuron."""
    k, i, j = map(int, name[2:])
    figure, _ = weight_figure((4, 4, 2), {2}, k, i, j)
    (label,) = [item for item in figure.of(Label) if item.text == labels(named(name))]
    assert all(shared_area(label.box, node.box) < 2.0 for node in nodes_of(figure))


def test_columns_are_symmetric():
    """With nothing chosen the picture is its own mirror image, upside down."""
    figure = network_figure(sketches((3, 4, 2), {2}), None, [], 0, labels)
    nodes = nodes_of(figure)
    middle = sum(node.y for node in nodes) / len(nodes)
    spots = {(round(node.x), round(node.y - middle, 2) + 0.0) for node in nodes}
    assert spots == {(x, -y + 0.0) for x, y in spots}


# Truth --------------------------------------------------------------------------------------------


@given(
    widths=st.lists(st.integers(1, 3), min_size=2, max_size=4),
    soft=st.sets(st.integers(1, 3)),
    data=st.data(),
)
def test_every_path_is_joined_and_coloured(widths, soft, data):
    """Neighbours on a path are one neuron, or joined by a line in the style that the path has."""
    soft = {k for k in soft if k < len(widths)}
    k = data.draw(st.integers(1, len(widths) - 1))
    i, j = data.draw(st.integers(1, widths[k])), data.draw(st.integers(1, widths[k - 1]))
    figure, paths = weight_figure(widths, soft, k, i, j)
    host = {name: node for node in nodes_of(figure) for name in node.names}
    drawn = {(stroke.ends, stroke.colour) for stroke in strokes_of(figure, "path")}
    assert len(figure.styles) == len(paths)
    for path, style in zip(paths, figure.styles, strict=True):
        for hop in itertools.pairwise(path[1:]):
            assert host[hop[0]] is host[hop[1]] or (hop, style.name) in drawn


@given(widths=st.lists(st.integers(1, 3), min_size=2, max_size=4), soft=st.sets(st.integers(1, 3)))
def test_no_colour_where_no_path_is(widths, soft):
    """Each coloured line belongs to a path."""
    soft = {k for k in soft if k < len(widths)}
    figure, paths = weight_figure(widths, soft, 1, 1, 1)
    used = {hop for path in paths for hop in itertools.pairwise(path)}
    assert {stroke.ends for stroke in strokes_of(figure, "path")} <= used


def test_softmax_shows_its_coupling():
    """Every a of a softmax layer is joined to every h; a sigmoid neuron is one split circle."""
    figure, _ = weight_figure((4, 4, 2), {2}, 1, 3, 1)
    couplings = ends_of(strokes_of(figure, "coupling"))
    assert couplings == {(f"a_2{i}", f"yhat_{m}") for i in (1, 2) for m in (1, 2)}
    assert ("a_13", "h_13") in {tuple(map(str, node.names)) for node in nodes_of(figure)}


def test_s5_has_four_paths_through_softmax_and_two_through_sigmoid():
    """The picture of lecture S5: four colours with softmax, two with sigmoid outputs."""
    for soft, count in (({2}, 4), ((), 2)):
        figure, _ = weight_figure((4, 4, 2), soft, 1, 3, 1)
        assert len({stroke.colour for stroke in strokes_of(figure, "path")}) == count
        tags = [label.text for label in figure.of(Label) if label.role == "tag"]
        assert tags == [str(i + 1) for i in range(count)]


def test_parallel_paths_lie_side_by_side():
    """Paths over one connection are distinct lines, at least a point apart."""
    figure, _ = weight_figure((4, 4, 4, 2), {3}, 1, 2, 1)
    strokes = strokes_of(figure, "path")
    for one, other in itertools.combinations(strokes, 2):
        if one.ends == other.ends:
            (x0, y0), (x1, y1) = one.points
            length = math.hypot(x1 - x0, y1 - y0)
            ox, oy = other.points[0]
            assert abs((ox - x0) * (y1 - y0) - (oy - y0) * (x1 - x0)) / length >= 1.0


def test_sixteen_paths_are_coloured_by_their_first_fork():
    """Too many for a colour each: those that part at the same neuron share one."""
    figure, paths = weight_figure((4, 4, 4, 2), {3}, 1, 2, 1)
    assert figure.mode == "family"
    forks = {path[3]: style for path, style in zip(paths, figure.styles, strict=True)}
    assert len(paths) == 16
    assert len({style.name for style in forks.values()}) == 4


def test_a_bundle_goes_everywhere_the_paths_go():
    """51,200 paths given by ten of them: every shown neuron after the chosen one is reached."""
    figure = wide_figure()
    reached = ends_of(strokes_of(figure, "path"))
    assert ("h_1,13", "a_2,512") in reached
    assert ("a_3,10", "yhat_1") in reached
    assert not any(source == "h_11" for source, _ in reached)
    assert {stroke.colour for stroke in strokes_of(figure, "path")} == {"bundle"}
    assert caption(figure, "txt").startswith("51200 paths")
    assert caption(figure).startswith("51200 paths")


def test_wide_layers_show_ends_dots_and_what_is_touched():
    """Of 512 neurons: the first, the chosen one and the last, and dots for the others."""
    figure = wide_figure()
    names = {str(name) for node in nodes_of(figure) for name in node.names}
    assert {"h_11", "h_1,13", "h_1,512", "x_784", "x_1", "yhat_10"} <= names
    assert "h_1,100" not in names
    assert any(item.role == "dots" for item in figure.of(Pill))


def test_a_symbolic_width_is_its_last_index():
    """A layer of n_1 neurons ends with h_{1,n_1}."""
    figure = symbolic_figure()
    names = {name for node in nodes_of(figure) for name in node.names}
    assert {node("x", 1), node("x", "n_{0}"), node("h", 1, "n_{1}"), node("yhat", "n_{2}")} <= names
    assert "mathrm" not in svg(figure)
    assert "x_{n_{0}}" in tikz(figure)


@pytest.mark.parametrize(
    ("chosen", "starts"),
    [
        ("x_2", ["a_11", "a_12"]),
        ("a_12", ["h_12"]),
        ("h_12", ["a_21"]),
        ("b_12", ["a_12"]),
        ("b_1", ["a_11", "a_12"]),
    ],
)
def test_paths_start_at_any_quantity(chosen, starts):
    """An input, a pre-activation, an activation, a bias or a bias of a whole layer is chosen."""
    widths = (3, 2, 1)
    stage, k = ("a", 1) if starts[0].startswith(("a_1", "h_1")) else ("h", 1)
    if chosen == "h_12":
        paths = list(walk(widths, (), [named("h_12")], 1, 2, "h"))
    elif chosen == "a_12":
        paths = list(walk(widths, (), [named("a_12")], 1, 2, "a"))
    else:
        paths = [
            path
            for name in starts
            for path in walk(widths, (), all_named([chosen, name]), k, int(name[-1]), stage)
        ]
    figure = network_figure(sketches(widths), named(chosen), paths, len(paths), labels)
    marks = [
        item
        for item in figure.items
        if isinstance(item, Area | Stroke) and item.role in ("tint", "chosen")
    ]
    arrows = [item for item in figure.of(Area) if item.role == "arrow"]
    assert marks
    assert len(arrows) == (len(starts) if chosen.startswith("b") else 0)


@pytest.mark.parametrize("chosen", ["w_911", "w_11", "q_1", "", "h_33", "w_1,2,3,4"])
def test_a_choice_that_the_network_cannot_have_is_an_error(chosen):
    """The message names what was given and what would do."""
    with pytest.raises(ValueError, match=r"the figure has no place for .*such as w_111"):
        network_figure(sketches((2, 2, 1)), named(chosen), [], 0, labels)


# Computation graphs -------------------------------------------------------------------------------


def test_values_stand_above_and_derivatives_below_their_edge():
    """S1: for each edge the value of its source above, the derivative below."""
    figure = scalar_graph()
    for edge in strokes_of(figure, "path", "edge"):
        level = edge.points[3][1]
        near = [
            item for item in figure.of(Label) if edge.points[0][0] < item.x < edge.points[-1][0]
        ]
        above = [item for item in near if item.role == "value" and abs(item.y + 3.5 - level) < 3]
        below = [item for item in near if item.role == "derivative" and 5 < item.y - level < 25]
        assert above, edge.ends
        assert below, edge.ends


def test_the_chain_of_the_chosen_stage_is_coloured():
    """S1: w, ŷ, s, L is the one path from w; the edges from x and y stay grey."""
    figure = scalar_graph()
    ends = {stroke.ends for stroke in strokes_of(figure, "path")}
    assert ends == {("w", "yhat"), ("yhat", "s"), ("s", "L")}


def test_a_graph_says_which_stage_is_missing():
    """An edge or a choice that is no stage is named, and so is a circle."""
    with pytest.raises(ValueError, match="no stage 'q': its stages are x, w"):
        scalar_graph("q")
    stages = [StageSketch("a", "a"), StageSketch("b", "b")]
    with pytest.raises(ValueError, match="circle"):
        graph_figure(stages, [EdgeSketch("a", "b", ""), EdgeSketch("b", "a", "")])


def test_a_graph_of_one_stage_stands_alone():
    """There is no edge, whatever the stage's size, and no path but the stage itself."""
    for formula in (None, "x + " * 200 + "1"):
        figure = graph_figure([StageSketch("L", "L", formula, "3")], [], "L")
        assert len(nodes_of(figure)) == 1
        assert figure.width <= TEXT_WIDTH + 1e-6


# Colours ------------------------------------------------------------------------------------------


def luminance(value: str) -> float:
    parts = [int(value[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_no_two_path_styles_are_alike():
    """Colour and dashes together tell any two paths apart, names name one each."""
    assert len({(style.hex, style.dash) for style in PATH_STYLES}) == len(PATH_STYLES)
    assert len({style.name for style in PATH_STYLES}) == len(PATH_STYLES)
    first = [style.dash for style in PATH_STYLES[:6]]
    assert len(set(first)) == 6, "grey print tells the first six apart by their dashes"


@pytest.mark.parametrize("colours", [COLOURS, DARK_COLOURS], ids=["light", "dark"])
def test_lines_and_letters_stand_out(colours):
    """Lines and rims have a contrast of 3 to 1 with the page, letters of 4.5, also at night."""
    assert colours.keys() == COLOURS.keys()
    grounds = {"figfill", "figgroup", "chosentint"}
    for name in colours.keys() - grounds:
        for ground in ("figfill", "figgroup"):
            letters = name.endswith(("ink", "quiet"))
            wanted = 4.5 if letters and ground == "figfill" else 2.99
            assert contrast(colours[name], colours[ground]) >= wanted, (name, ground)


@pytest.mark.parametrize("style", PATH_STYLES, ids=lambda style: style.name)
def test_ink_is_readable_on_white(style):
    """Text in a path's colour has a contrast of 4.5 to 1."""
    assert 1.05 / (luminance(style.ink) + 0.05) >= 4.5
    assert COLOURS[style.ink_name] == style.ink


# Files --------------------------------------------------------------------------------------------


@each_figure
def test_svg_is_valid_xml_with_a_title(make):
    """The picture parses, says what it shows, and refers to nothing outside or by id."""
    text = svg(make())
    root = ET.fromstring(text)
    assert root.attrib["role"] == "img"
    assert root.attrib["viewBox"].startswith("0 0 ")
    assert [child.tag.rpartition("}")[2] for child in root[:2]] == ["title", "desc"]
    assert "href" not in text
    assert "url(" not in text
    assert " id=" not in text


def test_a_page_sets_the_colours():
    """Each colour is a CSS variable with a value; a file of its own turns dark by itself."""
    figure = weight_figure((4, 4, 2), {2}, 1, 3, 1)[0]
    inline, alone = svg(figure), svg(figure, alone=True)
    assert "var(--path1,#0072B2)" in inline
    assert "prefers-color-scheme" not in inline
    assert f"--path1:#{DARK_COLOURS['path1']};" in alone
    assert (alone.count("<rect"), inline.count("<rect")) == (20, 19)  # a ground of its own
    classes = {e.attrib["class"] for e in ET.fromstring(inline).iter() if "class" in e.attrib}
    for each in {part for value in classes for part in value.split()} - {"figure"}:
        assert f".{each}{{" in inline, each


def test_what_cannot_be_seen_is_said():
    """The description names the layers, their neurons, the loss, and the paths."""
    said = {child.tag.rpartition("}")[2]: child.text for child in ET.fromstring(svg(wide_figure()))}
    assert said["title"] == "Neural network with the paths from w_1,13,784"
    assert said["desc"] == (
        "From the left, with the number of neurons: input: 784; layer 1 (sigmoid): 512; "
        "layer 2 (sigmoid): 512; layer 3 (softmax): 10; loss. "
        "51200 paths lead from w_1,13,784 to the loss, drawn as one bundle."
    )
    said = [child.text for child in ET.fromstring(svg(scalar_graph()))][1]
    assert said.startswith("Stages from the left: x; w; ŷ = wx; y; s = ŷ − y; L = s^2. ")
    assert "input: n_0; layer 1: n_1;" in svg(symbolic_figure())


@pytest.mark.parametrize(
    ("widths", "paths", "words"),
    [
        ((2, 1, 1), 1, "One path leads from w_111 to the loss."),
        ((2, 2, 6, 1), 6, "each in a colour of its own and with its number."),
        ((2, 2, 7, 1), 7, "told apart by colour, dashes and number."),
        ((2, 2, 5, 5, 1), 25, "those that part at the same neuron share a colour."),
        ((2, 2, 20, 2), 40, "drawn as one bundle."),
    ],
)
def test_the_caption_says_no_more_than_is_drawn(widths, paths, words):
    """There are six colours: more paths than that have not each a colour of their own."""
    figure, found = weight_figure(widths, (), 1, 1, 1)
    assert len(found) == paths
    assert caption(figure, "txt").endswith(words)
    drawn = len({stroke.colour for stroke in strokes_of(figure, "path")})
    assert drawn == (paths if paths <= 6 else drawn)
    bare = caption(figure, "txt", drawn=False)
    assert "to the loss." in bare
    assert not any(word in bare for word in ("colour", "bundle", "dashes"))


def test_svg_shows_hats_subscripts_and_fractions():
    """ŷ is one character, indices are small and low, a fraction has a bar."""
    text = svg(scalar_graph())
    assert "ŷ" in text
    assert "∂" in text
    network = svg(weight_figure((4, 4, 2), {2}, 1, 3, 1)[0])
    assert 'dy="2.00">131</tspan>' in network or 'dy="2.00">1</tspan>' in network
    assert "mathscr" not in network
    assert "\\" not in network


def test_hostile_words_stay_words():
    """Markup, TeX commands and odd characters in labels and captions are shown, never obeyed."""
    figure = hostile_figure()
    root = ET.fromstring(svg(figure))
    assert not [e for e in root.iter() if e.tag.endswith("script")]
    tex = tikz(figure)
    assert r"\input" not in tex
    assert "日" not in tex
    assert "<script>" not in svg(figure)


@given(st.text())
def test_escapes_leave_nothing_active(text):
    """XML reads its escape back; TeX sees no active character that is not escaped."""
    ET.fromstring(f"<p a='{escape_xml(text)}'>{escape_xml(text)}</p>")
    bare = escape_tex(text).replace("\\\\", "")
    for character in "$&#_%":
        assert bare.count(character) == bare.count("\\" + character) + (
            2 * bare.count(r"$\times$") if character == "$" else 0
        )


def test_templates_are_strict():
    """A name that a template does not know stops it."""
    with pytest.raises(Exception, match="undefined"):
        environment().from_string("<< nothing >>").render()
    assert (template_dir() / "figure.tikz").is_file()


DOCUMENT = r"""\documentclass[11pt]{article}
\usepackage[T1]{fontenc}
\usepackage{lmodern,amsmath,mathrsfs,tikz,xcolor}
\usepackage[a4paper,textwidth=483.7pt,textheight=740pt]{geometry}
"""


@needs_tex
def test_tikz_compiles_within_the_page(tmp_path):
    """pdflatex sets every figure, hostile words too, with nothing overfull and no glyph missing."""
    body = []
    for figure in [*(make() for make in GALLERY.values()), hostile_figure()]:
        body += [r"\noindent", tikz(figure), "", caption(figure), ""]
    source = "\n".join([DOCUMENT, preamble(), r"\begin{document}", *body, r"\end{document}"])
    log = compile_tex(source, tmp_path)
    assert overfull_lines(log) == []
    assert missing_glyphs(log) == []


def digest() -> str:
    parts = [text for make in GALLERY.values() for text in (svg(make()), tikz(make()))]
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def test_bytes_do_not_depend_on_the_hash_seed():
    """The same figure is the same file, byte for byte, in every run."""
    code = "import test_figures; print(test_figures.digest())"
    found = set()
    for seed in ("0", "1"):
        environ = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent)}
        run = subprocess.run(
            [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
        )
        found.add(run.stdout)
    assert len(found) == 1
