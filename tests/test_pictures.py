"""Pictures of a descent: whole PNGs of what was learned, the same bytes each time."""

import io
import itertools
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import symback as sb
from backprop import Handwritten
from pages import EXAMPLES
from symback.cli import main
from symback.learning import descent, pictures, samples
from symback.learning.descent import History, Settings
from symback.learning.pictures import DPI
from symback.network import Network
from typesetting import ROOT

RNG = np.random.default_rng(3)
X = RNG.normal(size=(30, 2))
NET = Network(2, [(3, "tanh"), (3, "softmax")], loss="cross_entropy")
LABEL = np.arange(30) % 3 + 1
HAND = Handwritten("tanh", "softmax")
DATA = samples.check(X, label=LABEL, inputs=2, outputs=3)


@pytest.fixture(scope="module")
def run():
    start = descent.begin(NET.spec, NET.graph.variables, DATA, Settings(0.3))
    return descent.descend(HAND, start, DATA, 40)


def layers_of(run):
    def layers(points):
        return HAND.layers(run.parameters, points)

    return layers


def size(figure):
    """The size of a figure's PNG in pixels, once all of it has been decoded."""
    image = Image.open(io.BytesIO(pictures.png(figure)))
    image.load()
    assert image.format == "PNG"
    assert len(image.getcolors(10**7)) > 10
    return image.size


def inches(figure):
    width, height = figure.get_size_inches()
    return (int(width * DPI), int(height * DPI))


# ------------------------------------------------------------------------------- which, and how big


def test_the_portfolio_of_a_small_network(run):
    """Two inputs and classes: every kind of picture, each a whole PNG of its size."""
    drawn = dict(pictures.portfolio(run, DATA, layers_of(run)))
    assert [*drawn] == ["loss", "weights", "heat_map", "matrices", "neurons", "regions"]
    for figure in drawn.values():
        assert size(figure) == inches(figure)


def test_the_portfolio_of_a_larger_network():
    """Three inputs: no plane; more weights than are watched: the loss alone."""
    net = Network(3, [(60, "tanh"), (2, "linear")], loss="squared_error")
    data = samples.check(np.ones((2, 3)), np.ones((2, 2)), inputs=3, outputs=2)
    begun = descent.begin(net.spec, net.graph.variables, data, Settings(0.01))
    ended = descent.descend(Handwritten("tanh", "linear"), begun, data, 2)
    assert [name for name, _ in pictures.portfolio(ended, data, layers_of(ended))] == ["loss"]


def test_targets_that_are_no_classes_have_no_regions(run):
    """Neurons are drawn, regions are not."""
    data = samples.check(X, RNG.normal(size=(30, 3)), inputs=2, outputs=3)
    names = [name for name, _ in pictures.portfolio(run, data, layers_of(run))]
    assert names[-1] == "neurons"


def test_a_weight_alone_has_no_heat_map(run):
    """One row is no map."""
    begun = descent.begin(NET.spec, NET.graph.variables, DATA, Settings(0.3, only=("w_111",)))
    ended = descent.descend(HAND, begun, DATA, 3)
    names = [name for name, _ in pictures.portfolio(ended, DATA, layers_of(ended))]
    assert names == ["loss", "weights", "neurons", "regions"]


def test_the_same_input_gives_the_same_bytes(run):
    """Twice drawn, byte for byte, and no program's name or date in the file."""
    first, again = (
        [pictures.png(figure) for _, figure in pictures.portfolio(run, DATA, layers_of(run))]
        for _ in range(2)
    )
    assert first == again
    assert not any(b"Matplotlib" in picture for picture in first)


def test_a_user_s_settings_change_nothing(run):
    """matplotlibrc is left out, and left as it was."""
    import matplotlib as mpl

    before = pictures.png(pictures.loss_curve(run.history))
    with mpl.rc_context({"font.size": 30, "figure.facecolor": "red", "savefig.dpi": 20}):
        settings = dict(mpl.rcParams)
        assert pictures.png(pictures.loss_curve(run.history)) == before
        assert dict(mpl.rcParams) == settings


# --------------------------------------------------------------------------------- what they show


def test_the_loss_curve_shows_the_loss(run):
    """Each epoch's loss, from the start to the end."""
    (line,) = pictures.loss_curve(run.history).axes[0].lines
    assert line.get_xdata().tolist() == [*range(41)]
    assert line.get_ydata().tolist() == run.history.loss.tolist()


def test_the_weight_curves_show_the_weights(run):
    """The first twelve, each named at its end, and the picture says that there are more."""
    axes = pictures.weight_curves(run.history).axes[0]
    assert len(axes.lines) == pictures.MOST_CURVES == len(axes.texts)
    for line, values in zip(axes.lines, run.history.weights.values(), strict=False):
        assert line.get_ydata().tolist() == values.tolist()
    assert axes.texts[0].get_text() == "$w_{111}$"
    assert axes.get_title() == "the first 12 of 21 watched parameters"


@pytest.mark.parametrize(
    "heights", [[0.0], [1.0, 1.0], [3.0, 0.0, 0.1, 0.2], [0, 0, 0, 0.3, 5, 5.05], [1, 2, 3]]
)
def test_names_at_the_ends_do_not_touch(heights):
    """They are moved apart, in their order, and what has room stays."""
    moved = pictures.apart(heights, 0.25)
    ordered = [moved[i] for i in sorted(range(len(heights)), key=heights.__getitem__)]
    assert all(b - a >= 0.25 - 1e-9 for a, b in itertools.pairwise(ordered))
    if heights == [1, 2, 3]:
        assert moved == heights


def test_the_heat_map_shows_all_weights_over_all_epochs(run):
    """A row a weight, a column an epoch, layer by layer, the colours even about 0."""
    figure = pictures.heat_map(run.history)
    maps = [axes.images[0] for axes in figure.axes if axes.images]
    shown = np.vstack([image.get_array() for image in maps])
    assert shown.tolist() == run.history.values.T.tolist()
    assert [len(image.get_array()) for image in maps] == [9, 12]
    low, high = maps[0].get_clim()
    assert low == -high
    assert high == np.abs(run.history.values).max()


def test_the_matrices_show_their_numbers(run):
    """(W_k | b_k) after 0, 10, 20, 30 and 40 epochs, to two digits."""
    figure = pictures.matrices(run.history, run.blocks)
    assert [axes.get_title() for axes in figure.axes[:5]] == [
        f"epoch {t}" for t in range(0, 50, 10)
    ]
    last = figure.axes[4]
    table = np.column_stack([run.parameters["W1"], run.parameters["b1"]])
    assert last.images[0].get_array().tolist() == table.tolist()
    shown = [text.get_text() for text in last.texts]
    assert shown == [f"{value:.2f}".replace("-", "−") for value in table.ravel()]


def test_neurons_are_drawn_by_their_own_values(run):
    """Each neuron by name is the column of its layer."""
    neurons = dict(pictures.neurons_of(layers_of(run), X))
    assert [*neurons] == ["h_11", "h_12", "h_13", "yhat_1", "yhat_2", "yhat_3"]
    h1, yhat = HAND.layers(run.parameters, X).values()
    assert neurons["h_12"](X).tolist() == h1[:, 1].tolist()
    assert neurons["yhat_3"](X).tolist() == yhat[:, 2].tolist()


def test_regions_mark_exactly_what_is_misclassified(run):
    """Larger marks, ringed, for the samples whose class is not the one that ŷ speaks for."""
    yhat = HAND.forward(run.parameters, X)
    wrong = yhat.argmax(axis=1) + 1 != LABEL
    assert 0 < wrong.sum() < 30
    figure = pictures.regions(lambda p: HAND.forward(run.parameters, p), X, LABEL, yhat, 3)
    marks = figure.axes[0].collections[1:]  # the first is the plane
    sizes = {
        tuple(at): group.get_sizes()[0]
        for group in marks
        for at in np.asarray(group.get_offsets()).tolist()
    }
    large = max(sizes.values())
    assert {at for at, area in sizes.items() if area == large} == {*map(tuple, X[wrong].tolist())}
    assert len(sizes) == 30
    assert figure.axes[0].get_title() == f"{wrong.sum()} of 30 misclassified"


def test_the_plane_is_coloured_by_the_class(run):
    """The colour at a point is that of the class the network gives it."""
    yhat = HAND.forward(run.parameters, X)
    figure = pictures.regions(lambda p: HAND.forward(run.parameters, p), X, LABEL, yhat, 3)
    mesh = figure.axes[0].collections[0]
    corners = np.asarray(mesh.get_coordinates())
    middle = (corners[:-1, :-1] + (corners[1, 1] - corners[0, 0]) / 2).reshape(-1, 2)
    given = np.asarray(mesh.get_array()).ravel()
    assert (given == HAND.forward(run.parameters, middle).argmax(axis=1)).mean() > 0.999


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ([[0.0, 1.0], [1.0, 0.0]], [2, 1]),
        ([[1.0], [0.0]], [1, 0]),
        ([[0.5], [0.0]], None),
        ([[1.0, 1.0]], None),
        ([[0.0, 0.0]], None),
        ([[0.25, 0.75]], None),
    ],
)
def test_classes_of_targets(y, expected):
    """One-hot rows and single bits are classes, all else is not."""
    found = pictures.classes(np.array(y))
    assert (None if found is None else found.tolist()) == expected


def test_the_class_that_outputs_speak_for():
    """The greatest of several, counted from 1; a single one from a half on."""
    assert pictures.chosen(np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])).tolist() == [2, 1]
    assert pictures.chosen(np.array([[0.49], [0.5], [0.51]])).tolist() == [0, 1, 1]


@pytest.mark.parametrize("last", [0, 1, 3])
def test_short_histories_are_drawn(last):
    """No epoch at all, one, a few: still a picture, without a warning."""
    history = History(np.ones(last + 1), ("w_111", "b_11"), np.zeros((last + 1, 2)))
    for draw in (pictures.loss_curve, pictures.weight_curves, pictures.heat_map):
        assert size(draw(history))


def test_a_neuron_that_is_the_same_everywhere_is_drawn():
    """A dead ReLU has no contours, and is drawn without a warning."""
    dead = pictures.surfaces({"h_11": lambda points: np.zeros(len(points))}, X, None)
    flat = pictures.surfaces({"h_11": lambda points: np.full(len(points), 7.0)}, X, None)
    assert size(dead)
    assert size(flat)


def test_a_film_has_its_frames(run):
    """An animated GIF of as many frames as figures."""
    histories = [History(run.history.loss[:n], (), np.empty((n, 0))) for n in (2, 20, 41)]
    film = Image.open(io.BytesIO(pictures.gif([*map(pictures.loss_curve, histories)])))
    assert (film.format, film.n_frames) == ("GIF", 3)


# ---------------------------------------------------------------------------- at the command line


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{a!r},{b!r},{int(a > b)}" for a, b in X.tolist()]
    (tmp_path / "points.csv").write_text("\n".join(["x1,x2,y1", *rows]))
    return tmp_path


COMMAND = ["descend", str(EXAMPLES / "s8_two.toml"), "--data", "points.csv", "--epochs", "4"]


def test_plot_writes_the_pictures(desk, capsys):
    """symback descend --plot: the paths are printed, the files are PNGs."""
    assert main([*COMMAND, "--plot", "seen"]) == 0
    printed = [line for line in capsys.readouterr().out.splitlines() if line.endswith(".png")]
    names = ["loss", "weights", "heat_map", "matrices", "neurons", "regions"]
    assert printed == [f"seen/s8_two_{name}.png" for name in names]
    for path in printed:
        with Image.open(desk / path) as image:
            assert image.format == "PNG"
            assert min(image.size) >= 400


def test_without_matplotlib_nothing_is_begun(desk, capsys, monkeypatch):
    """The message says what to install, before the work and not after it."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main([*COMMAND, "--plot", "seen", "--checkpoint", "c.npz"]) == 2
    assert "pip install 'symback[plot]'" in capsys.readouterr().err
    assert not (desk / "c.npz").exists()
    assert main(COMMAND) == 0


def test_matplotlib_is_imported_for_pictures_only():
    """Neither symback nor its rooms of descent and pictures load it by themselves."""
    code = "import sys, symback.network, symback.learning.pictures\n"
    code += "assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_s8_runs_with_one_command(tmp_path):
    """examples/s8.py: three descents, all pictures, the data that `symback descend` reads."""
    ran = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "s8.py"), str(tmp_path / "s8")],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    folder = tmp_path / "s8"
    written = {path.name for path in folder.iterdir()}
    kinds = {"loss", "weights", "neurons", "regions"}
    expected = {f"alone_{kind}.png" for kind in kinds}
    expected |= {f"{n}_{k}.png" for n in ("two", "four") for k in kinds | {"heat_map", "matrices"}}
    assert written == expected | {"two.csv", "four.csv", "two_learning.gif"}
    two = sb.load(EXAMPLES / "s8_two.toml")
    alone = two.descend(folder / "two.csv", epochs=500, only="w_111")
    every = two.descend(folder / "two.csv", epochs=2000)
    assert alone.history.loss[-1] < alone.history.loss[0]
    assert every.history.loss[-1] < 0.06 < 0.25 < alone.history.loss[-1]
    assert (np.diff(alone.history.loss) < 0).all()  # as docs/s8.md says
    four = sb.load(EXAMPLES / "s8_four.toml").descend(folder / "four.csv", epochs=2000, seed=1)
    assert four.history.loss[-1] < 0.12
    said = [line for line in ran.stdout.splitlines() if "epochs, loss" in line]
    assert said[1].endswith(f"loss {every.history.loss[0]:.4f} → {every.history.loss[-1]:.4f}")
    assert "\n".join(said) in (ROOT / "docs" / "s8.md").read_text("utf-8")
