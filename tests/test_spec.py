"""Network files and the Python constructor: what they mean, and what each mistake is told."""

import copy
import os
import tomllib
from decimal import Decimal
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from symback.engine import spec
from symback.engine.spec import EquationsSpec, NetworkSpec, SpecError
from symback.equations.system import System
from symback.equations.work import specified
from symback.language import reading
from symback.language.algebra import activation
from symback.language.errors import SymbackError
from symback.language.functions import ACTIVATIONS, LOSSES, Activation, Loss, SoftMax

EXAMPLES = [
    path
    for path in sorted((Path(__file__).parent.parent / "examples").glob("*.toml"))
    if not isinstance(specified(path), System)  # tests/test_layers.py has those
]

NETWORK = """
[network]
inputs = 3
layers = [{ units = 4, activation = "tanh" }, { units = 2, activation = "softmax" }]
loss = "cross_entropy"
"""

VALUES = """
[values]
x = [1.0, -0.50, 2]
y = [0, 1]
W1 = [[0.10, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9], [1.0, 1.1, 1.2]]
b1 = [0.1, 0.2, 0.3, 0.4]
W2 = [[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]]
b2 = [1e-3, 0.2]
learning_rate = 0.50
"""

PER_LAYER = NETWORK + 'bias = "per_layer"\n'
SYMBOLIC = NETWORK.replace("inputs = 3", 'inputs = "n_0"')

EQUATIONS = """
[equations]
yhat = "w*x"
s = "yhat - y"
L = "s**2"
"""


def each(names, table):
    """Run a test once a row; rows are numbered from 1."""
    return pytest.mark.parametrize(names, table, ids=[str(n + 1) for n in range(len(table))])


def read(text, source="net.toml"):
    """Read a file's text through the one validator."""
    return spec.from_mapping(tomllib.loads(text, parse_float=Decimal), source)


def refusal(text):
    """Return the one message a text earns."""
    with pytest.raises(SpecError) as caught:
        read(text)
    message = str(caught.value)
    assert message.startswith("net.toml: ")
    assert message.isprintable()
    return message


# ---------------------------------------------------------------------------------- what is right


def test_a_network_file_means_what_it_says():
    """Every key arrives, with the contract's defaults for those left out."""
    net = read(NETWORK + VALUES)
    assert isinstance(net, NetworkSpec)
    assert net.widths == (3, 4, 2)
    assert all(isinstance(width, sympy.Integer) for width in net.widths)
    assert [layer.activation.name for layer in net.layers] == ["tanh", "softmax"]
    assert net.loss is LOSSES["cross_entropy"]
    assert (net.bias, net.over_outputs, net.over_samples) == ("per_neuron", "sum", "mean")
    assert (net.title, net.source) == ("", "net.toml")


def test_numbers_stay_as_written():
    """0.10 is the Decimal 0.10, not a double near a tenth; integers are Decimals too."""
    values = read(NETWORK + VALUES).values
    assert [str(number) for number in values.x] == ["1.0", "-0.50", "2"]
    assert [name for name, _ in values.parameters] == ["W1", "b1", "W2", "b2"]
    parameters = dict(values.parameters)
    assert str(parameters["W1"][0][0]) == "0.10"
    assert str(parameters["b2"][0]) == "0.001"
    assert str(values.learning_rate) == "0.50"
    assert all(isinstance(number, Decimal) for number in (*values.x, *values.y))


def test_any_subset_of_the_values_will_do():
    """Each of the values may stand alone, and none at all is fine."""
    given_values = tomllib.loads(VALUES)["values"]
    network = tomllib.loads(NETWORK)
    for key, value in given_values.items():
        spec.from_mapping({**network, "values": {key: value}}, "net.toml")
    assert read(NETWORK).values == spec.Values()


@pytest.mark.parametrize(
    ("values", "samples"),
    [
        ("x = [1, 2, 3]", None),
        ("y = [0.5, 0.5]", None),
        ("label = 2", None),
        ("learning_rate = 1", None),
        ("x = [[1, 2, 3]]", 1),
        ("x = [[1, 2, 3], [4, 5, 6]]", 2),
        ("y = [[1, 0], [0, 1], [1, 0]]", 3),
        ("label = [1, 2, 1, 1]", 4),
        ("x = [[1, 2, 3], [4, 5, 6]]\nlabel = [2, 1]", 2),
    ],
)
def test_rows_make_a_batch(values, samples):
    """A list of rows is a batch, also of one row; a list of numbers is one sample."""
    assert read(f"{NETWORK}[values]\n{values}").values.samples == samples


def test_labels_become_one_hot_rows():
    """Label l is e(l), counted from 1, in Decimals."""
    one, zero = Decimal(1), Decimal(0)
    assert read(NETWORK + "[values]\nlabel = 2").values.y == (zero, one)
    rows = read(NETWORK + "[values]\nlabel = [2, 1, 2]").values.y
    assert rows == ((zero, one), (one, zero), (zero, one))


def test_symbolic_widths_are_positive_integers():
    """A width is a name; the same name twice is the same width; a step size may still be given."""
    net = read(
        '[network]\ninputs = "n"\nlayers = [{ units = "n", activation = "tanh" }, '
        '{ units = "n_12", activation = "softmax" }]\nloss = "output"\n[values]\nlearning_rate = 1'
    )
    n, n_12 = (sympy.Symbol(name, integer=True, positive=True) for name in ("n", "n_12"))
    assert net.widths == (n, n, n_12)
    assert net.values.learning_rate == 1


def test_one_bias_a_layer_is_one_number():
    """With bias = "per_layer", b1 is a Decimal and no row."""
    net = read(PER_LAYER + "[values]\nb1 = 0.25")
    assert net.values.parameters == (("b1", Decimal("0.25")),)


def test_users_add_functions_by_formula():
    """A formula in the file makes an entry like the catalogue's, and may call the catalogue's."""
    net = read(
        '[network]\ninputs = 2\nlayers = [{ units = 2, activation = "swish2" }]\nloss = "cube"\n'
        '[activations.swish2]\nformula = "z*sigmoid(2*z)"\n'
        '[losses.cube]\nformula = "abs(y-yhat)**3"\nslope = "-3*sign(y-yhat)*(y-yhat)**2"\n'
    )
    assert net.layers[0].activation == Activation("swish2", "z*sigmoid(2*z)")
    assert net.loss == Loss("cube", "abs(y-yhat)**3", "-3*sign(y-yhat)*(y-yhat)**2")


def test_a_loss_without_y_needs_no_target():
    """Whether a user's loss uses the target is read off its formula; a target is still allowed."""
    text = NETWORK.replace('"cross_entropy"', '"twice"') + '[losses.twice]\nformula = "2*yhat"\n'
    assert not read(text).loss.uses_target
    assert read(text + "[values]\ny = [3, 4]").values.y == (3, 4)


@pytest.mark.parametrize("place", ["network", "top"])
def test_a_title_stands_in_either_place(place):
    """`title` may stand at the top or in [network]."""
    text = NETWORK + 'title = "A net"' if place == "network" else 'title = "A net"' + NETWORK
    assert read(text).title == "A net"


def test_equations_keep_their_order():
    """Stages come as written, leaves in the order of their first use."""
    lines = read(EQUATIONS + "[values]\nw = 1\nx = 1.50\nlearning_rate = 0.5")
    assert isinstance(lines, EquationsSpec)
    assert [(s.name, reading.to_text(s.node)) for s in lines.stages] == [
        ("yhat", "w*x"),
        ("s", "yhat - y"),
        ("L", "s**2"),
    ]
    assert lines.leaves == ("w", "x", "y")
    assert lines.values == (("w", Decimal(1)), ("x", Decimal("1.50")))
    assert lines.learning_rate == Decimal("0.5")
    assert not lines.taken_apart


@pytest.mark.parametrize(
    ("text", "names", "taken_apart"),
    [
        ("1/(1+exp(-x))", "A1 A2 A3 y", True),
        ("(w*x + b)**2", "A1 A2 y", True),
        ("sin(x)", "y", False),
        ("w*x", "y", False),
        ("x", "y", False),
    ],
)
def test_a_single_composed_equation_is_taken_apart(text, names, taken_apart):
    """One equation of several operations becomes a stage an operation, the last as it is named."""
    lines = read(f'[equations]\ny = "{text}"')
    assert " ".join(stage.name for stage in lines.stages) == names
    assert lines.taken_apart is taken_apart


# ----------------------------------------------------------------------------------------- Python


def test_python_says_the_same_as_a_file():
    """The constructor ends in the same validator: equal but for the source."""
    values = tomllib.loads(VALUES, parse_float=Decimal)["values"]
    from_python = spec.network(
        3, [(4, "tanh"), (2, "softmax")], loss="cross_entropy", values=values, source="net.toml"
    )
    assert from_python == read(NETWORK + VALUES)
    stages = {"yhat": "w*x", "s": "yhat - y", "L": "s**2"}
    assert spec.equations(stages, source="net.toml") == read(EQUATIONS)


def test_numpy_numbers_are_taken_as_they_print():
    """Arrays and scalars of NumPy, tuples and floats mean their shortest decimal spelling."""
    net = spec.network(
        np.int64(2),
        [{"units": np.int32(2), "activation": "tanh"}],
        loss="output",
        values={
            "x": np.array([[0.1, 1e22], [3, 4]]),
            "label": np.array([1, 2]),
            "W1": (np.array([0.1, 0.2]), [np.float64(0.3), 4]),
            "learning_rate": np.float64(0.1),
        },
    )
    assert net.values.x == ((Decimal("0.1"), Decimal("1e22")), (3, 4))
    assert net.values.samples == 2
    assert dict(net.values.parameters)["W1"][1] == (Decimal("0.3"), 4)
    assert net.values.learning_rate == Decimal("0.1")


def test_python_may_hand_in_functions():
    """Ready entries, formula texts and tables all do; ready ones need no name in a table."""
    cube = Activation("cube", "z**3", "3*z**2")
    power = Loss("power", "(y-yhat)**4")
    layers = [
        (2, cube),
        (2, "bump"),
        (2, "ramp"),
        (2, ACTIVATIONS["softmax"]),
        (2, SoftMax(name="soft")),
    ]
    net = spec.network(
        2,
        layers,
        loss=power,
        activations={"bump": "exp(-z**2)", "ramp": Activation("ramp", "max(0,z)")},
        losses={"other": {"formula": "yhat"}},
    )
    names = [layer.activation.name for layer in net.layers]
    assert names == ["cube", "bump", "ramp", "softmax", "soft"]
    assert net.loss is power


def test_a_new_row_of_the_catalogue_is_known_at_once(monkeypatch):
    """Adding a row to the catalogue is all it takes."""
    monkeypatch.setitem(ACTIVATIONS, "cube", Activation("cube", "z**3"))
    assert spec.network(1, [(1, "cube")], loss="output").layers[0].activation.name == "cube"


PYTHON_MISTAKES = [
    ({"inputs": True}, 'inputs: true given, expected a positive whole number, or a symbolic'),
    ({"inputs": np.bool_(1)}, "inputs: "),
    ({"inputs": 4.0}, "inputs: 4.0 given, expected a positive whole number"),
    ({"layers": ()}, "layers: an empty list given, expected a list of tables"),
    ({"layers": [(4, "tanh", 1)]}, "layers[1]: a list of 3 given, expected a table"),
    ({"layers": "tanh"}, 'layers: "tanh" given, expected a list of tables'),
    ({"values": {"x": [float("nan"), 1]}}, "[values] x[1]: nan given, expected a finite number"),
    ({"values": {"x": [1, "2"]}}, '[values] x[2]: "2" given, expected a number'),
    ({"values": {"x": {1, 2}}}, "[values] x: a set given, expected a list of 2 numbers"),
    ({"values": {"x": np.ones((2, 2, 2))}}, "[values] x[1][1]: a list of 2 given, expected a num"),
    ({"values": {"x": np.ones((0, 2))}}, "[values] x: an empty list given, expected a list of 2"),
    ({"values": {3: 1}}, "[values] 3: unknown key, expected one of x, y, label"),
    ({"values": {"x": [10**400, 1]}}, "[values] x[1]: a number of 1329 bits given, expected a"),
    ({"values": [1]}, "[values]: a list of 1 given, expected a table of numbers"),
    ({"activations": {"tanh": "z"}}, "[activations] tanh: this activation is in the catalogue"),
    ({"activations": {"f": Activation("g", "z")}}, '[activations.f]: the activation given here'),
    ({"activations": {"f": None}}, "[activations.f]: nothing given, expected a table with the"),
    ({"loss": Loss("huber", "yhat")}, "[network] loss: this loss is in the catalogue"),
    ({"loss": Loss("mine", "yhat*q")}, '[network] loss.formula, column 6: unknown name "q"'),
    ({"layers": [(1, Loss("f", "y"))]}, "layers[1].activation: a Loss given, expected one of"),
    (
        {"layers": [(1, Activation("f", "z")), (1, Activation("f", "2*z"))]},
        '[network] layers[2].activation: two activations are called "f"',
    ),
    ({"title": "a\nb"}, '[network] title: "a\\nb" given, expected one line of at most 200'),
]  # fmt: skip


@each("arguments, fragment", PYTHON_MISTAKES)
def test_python_mistakes(arguments, fragment):
    """What only Python can get wrong is told like the rest, with the constructor as the source."""
    right = {"inputs": 2, "layers": [(2, "tanh")], "loss": "squared_error"}
    with pytest.raises(SpecError) as caught:
        spec.network(**{**right, **arguments})
    assert str(caught.value).startswith("Network(...): ")
    assert fragment in str(caught.value)


# --------------------------------------------------------------------------- mistakes in networks

NETWORK_MISTAKES = [
    # replaced                     by                             message
    ("inputs = 3", "", "[network]: inputs is missing, expected the number of inputs"),
    ("inputs = 3", "inputs = 0", "[network] inputs: 0 given, expected a whole number from 1 to 10"),
    ("inputs = 3", "inputs = -3", "[network] inputs: -3 given, expected a whole number from 1"),
    ("inputs = 3", "inputs = 10000001", "inputs: 10000001 given, expected a whole number from 1 t"),
    ("inputs = 3", "inputs = 3.0", "[network] inputs: 3.0 given, expected a positive whole number"),
    ("inputs = 3", "inputs = true", "[network] inputs: true given, expected a positive whole"),
    ("inputs = 3", "inputs = [3]", "[network] inputs: a list of 1 given, expected a positive"),
    ("inputs = 3", "inputs = nan", "[network] inputs: NaN given, expected a positive whole number"),
    ("inputs = 3", 'inputs = "n_"', 'inputs: "n_" given, expected a positive whole number, or a '),
    ("inputs = 3", 'inputs = "n_"', 'number, or a symbolic width such as "n_0"'),
    ("inputs = 3", 'inputs = "width"', 'inputs: "width" given, expected a positive whole number'),
    ("inputs = 3", 'inputs = "x"', 'inputs: "x" given, but x is a quantity here; write n, n_0'),
    ("inputs = 3", 'inputs = "w_1"', 'inputs: "w_1" given, but w is a quantity here'),
    ("inputs = 3", 'inputs = "j"', 'inputs: "j" given, but j is an index here'),
    ("inputs = 3", "input = 3", "[network] input: unknown key, expected one of inputs, layers, lo"),
    ("inputs = 3", "input = 3", 'over_samples, title; did you mean "inputs"?'),
    ("units = 4", "units = 4.0", "[network] layers[1].units: 4.0 given, expected a positive whole"),
    ("units = 2", 'units = "2"', '[network] layers[2].units: "2" given, expected a positive whole'),
    ("units = 2", "unit = 2", "layers[2].unit: unknown key, expected one of units, activation;"),
    ("units = 2", "unit = 2", '; did you mean "units"?'),
    ("units = 2, ", "", "[network] layers[2]: units is missing, expected the number of neurons"),
    (', activation = "softmax"', "", '[network] layers[2]: activation is missing, expected one of'),
    (', activation = "softmax"', "", 'expected one of "linear", "sigmoid", "tanh"'),
    ('"tanh"', '"tahn"', '[network] layers[1].activation: "tahn" given, expected one of "linear"'),
    ('"tanh"', '"tahn"', '; did you mean "tanh"?'),
    ('"tanh"', "7", '[network] layers[1].activation: 7 given, expected one of "linear"'),
    ('"cross_entropy"', '"crossentropy"', '[network] loss: "crossentropy" given, expected one of '),
    ('"cross_entropy"', '"crossentropy"', '; did you mean "cross_entropy"?'),
    ('"cross_entropy"', '["output"]', "[network] loss: a list of 1 given, expected one of"),
    ('loss = "cross_entropy"', "", '[network]: loss is missing, expected one of "squared_error"'),
    ("layers = [", "layers = 3 #[", "[network] layers: 3 given, expected a list of tables such as"),
    ("layers = [", "layers = [] #[", "[network] layers: an empty list given, expected a list of"),
    ("layers = [{", "layers = [4, {", "[network] layers[1]: 4 given, expected a table with the ke"),
    ("[network]", '[network]\nbias = "perneuron"', '[network] bias: "perneuron" given, expected o'),
    ("[network]", '[network]\nbias = "perneuron"', '"per_neuron", "per_layer", "none"; did you m'),
    ("inputs = 3", "inputs = 3\nbias = false", "[network] bias: false given, expected one of"),
    ("[network]", "[network]\nover_outputs = 'avg'", 'over_outputs: "avg" given, expected one of'),
    ("[network]", "[network]\nover_samples = 'avg'", 'over_samples: "avg" given, expected one of '),
    ("[network]", "[network]\ntitle = 3", "[network] title: 3 given, expected one line of at mos"),
    ("[network]", "[netwrok]", "netwrok: unknown key, expected one of title, network, equations"),
    ("[network]", "[netwrok]", '; did you mean "network"?'),
    ("[network]", "[equations]\n[network]", "[network] and [equations]: both given, expected "),
    ("[network]", "network = 3\n[value]", 'value: unknown key, expected one of title, network'),
    ("[network]", 'title = "a"\n[network]\ntitle = "b"', "title: given twice, here and in ["),
]  # fmt: skip


@each("old, new, fragment", NETWORK_MISTAKES)
def test_mistakes_in_the_network(old, new, fragment):
    """Each mistake is named with its place, what was given, and what was expected."""
    assert old in NETWORK
    text = NETWORK.replace(old, new, 1)
    assert fragment in refusal(text)


FUNCTION_MISTAKES = [
    ("[activations.tanh]\nformula = 'z'", "[activations] tanh: this activation is in the catal"),
    ("[losses.huber]\nformula = 'yhat'", "[losses] huber: this loss is in the catalogue and keeps"),
    ("[activations.exp]\nformula = 'z'", "[activations] exp: formulas know this word"),
    ("[activations.lambda]\nformula = 'z'", "[activations] lambda: this is a word of Python"),
    ("[activations.'a b']\nformula = 'z'", '[activations] "a b": expected a name: a letter, then'),
    ("[activations._f]\nformula = 'z'", '[activations] _f: expected a name'),
    ("[activations.'ж']\nformula = 'z'", "[activations] ж: formulas read Latin and Greek letters"),
    ("[activations.f]", "[activations.f]: formula is missing, expected a formula in z"),
    ("[losses.f]", "[losses.f]: formula is missing, expected a formula in y and yhat"),
    ("[activations.f]\nformula = 3", "[activations.f] formula: 3 given, expected a formula in"),
    ("[activations.f]\nformula = 'z+q'", '[activations.f] formula, column 3: unknown name "q"'),
    ("[activations.f]\nformula = 'softmax(z)'", "[activations.f] formula, column 1: "),
    ("[activations.f]\nformula = 'z/(1-1)'", "[activations.f] formula: "),
    ("[activations.f]\nslop = '1'", "[activations.f] slop: unknown key, expected one of formula,"),
    ("[activations.f]\nslop = '1'", '; did you mean "slope"?'),
    ("[activations.f]\nformula = 'z'\nslope = 'y'", "[activations.f] slope, column 1: unknown nam"),
    ("[activations.f]\nformula = '__import__(\"os\")'", "[activations.f] formula, column 1: "),
    ("[losses.f]\nformula = 'y-z'", '[losses.f] formula, column 3: unknown name "z"'),
    ("[losses]\nf = 3", "[losses.f]: 3 given, expected a table with the keys formula, slope"),
    ("[[losses]]\nf = 3", "[losses]: a list of 1 given, expected tables [losses.NAME]"),
]  # fmt: skip


@each("extra, fragment", FUNCTION_MISTAKES)
def test_mistakes_in_functions_of_ones_own(extra, fragment):
    """A user's function is read when the file is, and errors carry the file's place."""
    assert fragment in refusal(NETWORK + extra)


VALUE_MISTAKES = [
    # network   values                        message
    (NETWORK, "x = [1, 2]", "[values] x: a list of 2 given, expected 3 numbers"),
    (NETWORK, "x = 1", "[values] x: 1 given, expected a list of 3 numbers, or for a batch a list"),
    (NETWORK, "x = []", "[values] x: an empty list given, expected a list of 3 numbers"),
    (NETWORK, "x = [[]]", "[values] x[1]: an empty list given, expected 3 numbers"),
    (NETWORK, "x = [1, 2, [3]]", "[values] x[3]: a list of 1 given, expected a number"),
    (NETWORK, "x = [[1, 2, 3], [4, 5]]", "[values] x[2]: a list of 2 given, expected 3 numbers"),
    (NETWORK, "x = [[1, 2, 3], 4]", "[values] x[2]: 4 given, expected 3 numbers"),
    (NETWORK, "x = [1, true, 3]", "[values] x[2]: true given, expected a number"),
    (NETWORK, "x = [1, '2', 3]", '[values] x[2]: "2" given, expected a number'),
    (NETWORK, "x = [1, inf, 3]", "[values] x[2]: Infinity given, expected a finite number"),
    (NETWORK, "x = [1, -nan, 3]", "[values] x[2]: -NaN given, expected a finite number"),
    (NETWORK, "x = [1, 1e309, 3]", "x[2]: 1E+309 given, expected 0 or a double, from 5e-324 to"),
    (NETWORK, "x = [1, 1e-400, 3]", "x[2]: 1E-400 given, expected 0 or a double"),
    (NETWORK, "x = [1, 0e99999999, 3]", "x[2]: 0E+99999999 given, expected 0 or a double"),
    (NETWORK, f"x = [1, 0.{'1' * 101}, 3]", "[values] x[2]: 0.1111"),
    (NETWORK, f"x = [1, 0.{'1' * 101}, 3]", "11 given, expected at most 100 digits"),
    (NETWORK, "x = [1, 1979-05-27, 3]", "[values] x[2]: a date given, expected a number"),
    (NETWORK, "y = [1, 2, 3]", "[values] y: a list of 3 given, expected 2 numbers"),
    (NETWORK, "y = [0, 1]\nlabel = 2", "[values]: y and label both given, expected one of the two"),
    (NETWORK, "label = 0", "[values] label: 0 given, expected the true class, a whole number from"),
    (NETWORK, "label = 3", "label: 3 given, expected the true class, a whole number from 1 to 2"),
    (NETWORK, "label = 1.0", "[values] label: 1.0 given, expected the true class"),
    (NETWORK, "label = true", "[values] label: true given, expected the true class"),
    (NETWORK, "label = [1, 5]", "[values] label[2]: 5 given, expected the true class"),
    (NETWORK, "label = []", "[values] label: an empty list given, expected a label, or for a bat"),
    (NETWORK, "x = [1, 2, 3]\nlabel = [1]", "[values] label: a batch of 1 row given, but x is one"),
    (NETWORK, "x = [[1, 2, 3]]\ny = [0, 1]", "y: one sample given, but x is a batch of 1 row"),
    (NETWORK, "x = [[1, 2, 3]]\nlabel = [1, 2]", "label: a batch of 2 rows given, but x is a batc"),
    (NETWORK, "W1 = [[1,2,3,4],[1,2,3,4],[1,2,3,4]]",
     "[values] W1: W is (out, in): W1 needs 4 rows of 3 numbers; it looks transposed"),
    (NETWORK, "W1 = [[1, 2, 3]]",
     "[values] W1: 1 row given, but W is (out, in): W1 needs 4 rows of 3 numbers"),
    (NETWORK, "W2 = [[1, 2, 3, 4], [1, 2, 3]]", "W2[2]: a list of 3 given, expected 4 numbers"),
    (NETWORK, "W2 = [[1, 2, 3, 4], 5]", "[values] W2[2]: 5 given, expected 4 numbers"),
    (NETWORK, "W2 = [[1, 2, 3, 4], [1, 2, nan, 4]]", "[values] W2[2][3]: NaN given, expected a fi"),
    (NETWORK, "W2 = 3", "[values] W2: 3 given, expected 2 rows of 4 numbers"),
    (NETWORK, "W3 = [[1]]", "[values] W3: unknown key, expected one of x, y, label, learning_rat"),
    (NETWORK, "W3 = [[1]]", "W1 to W2, b1 to b2 (the network has 2 layers)"),
    (NETWORK, "w1 = [[1]]", '; did you mean "W1"?'),
    (NETWORK, "W01 = [[1]]", '[values] W01: unknown key'),
    (NETWORK, "lerning_rate = 1", '; did you mean "learning_rate"?'),
    (NETWORK, "b1 = 0.1", '[values] b1: 0.1 given, expected a list of 4 numbers (bias = "per_neur'),
    (NETWORK, "b1 = [1, 2, 3]", "[values] b1: a list of 3 given, expected 4 numbers"),
    (NETWORK, "learning_rate = 0", "[values] learning_rate: 0 given, expected a number above 0"),
    (NETWORK, "learning_rate = -0.5", "learning_rate: -0.5 given, expected a number above 0"),
    (NETWORK, "learning_rate = [1]", "learning_rate: a list of 1 given, expected a number"),
    (PER_LAYER, "b1 = [1, 2, 3, 4]", "[values] b1: a list of 4 given, expected one number, which"),
    (NETWORK + 'bias = "none"\n', "b1 = [1, 2, 3, 4]",
     '[values] b1: given, but the network has no biases (bias = "none")'),
    (SYMBOLIC, "x = [1, 2, 3]", "[values] x: numbers need widths, and n_0 of [network] is symboli"),
    (SYMBOLIC, "label = 1", "[values] label: numbers need widths, and n_0 of [network] is symboli"),
]  # fmt: skip


@each("network, values, fragment", VALUE_MISTAKES)
def test_mistakes_in_the_values(network, values, fragment):
    """Numbers are counted against the widths; each wrong one is named by its indices, from 1."""
    assert fragment in refusal(f"{network}[values]\n{values}")


def test_labels_do_not_fill_the_memory():
    """A few labels of a very wide layer would stand for billions of numbers."""
    text = NETWORK.replace("units = 2", "units = 10000000")
    fragment = "[values] label: these labels stand for more than 5,000,000 numbers of y"
    assert fragment in refusal(text + "[values]\nlabel = 1")


@pytest.mark.parametrize(
    ("units", "count", "activation", "fragment"),
    [
        (2, 1_001, "tanh", "[network] layers: 1,001 layers given, expected at most 1,000"),
        (10**7, 1_000, "tanh", "counted by a number of 7,000 digits, expected at most 4,000"),
        (10**3, 1_000, "softmax", "counted by a number of 6,000 digits, expected at most 4,000"),
    ],
)
def test_networks_too_deep_to_be_derived_are_refused(units, count, activation, fragment):
    """A thousand layers are derived; more, or paths without number, are one clear sentence."""
    with pytest.raises(SpecError) as caught:
        spec.network(2, [(units, activation)] * count, loss="squared_error")
    assert fragment in str(caught.value)


# -------------------------------------------------------------------------- mistakes in equations

EQUATION_MISTAKES = [
    ("", "[equations]: a table given, expected 1 to 500 lines such as"),
    ("y = 3", "[equations] y: 3 given, expected a formula in quotes such as"),
    ("h1 = 'w*x'\nh_1 = 'h1**2'", "[equations]: h1 and h_1 are both written h_1; r"),
    ("y = 'alpha*α'", "[equations]: alpha and α are both written \\alpha; rename one of them"),
    ("y = 'w_12*w12'", "[equations]: w_12 and w12 are both written w_12;"),
    ("y = ''", "[equations] y, column 1: the formula is empty"),
    ("y = '2*(x'", "[equations] y, column "),
    ("y = '2x'", "[equations] y, column 2: "),
    ("y = 'sin(x'", "[equations] y, column "),
    ("y = 'sinn(x)'", '; did you mean "sin"?'),
    ("y = '1/0*x'", '[equations] y'),
    ("y = 'y + x'", "[equations] y: y is computed from itself"),
    ("a = 'b*x'\nb = 'x'", "[equations] a: uses b, which is computed only later; move it up"),
    ("exp = 'x'", "[equations] exp: formulas know this word as a function or a constant"),
    ("e = 'x'", "[equations] e: formulas know this word as a function or a constant"),
    ("sigmoid = 'x'", "[equations] sigmoid: formulas know this word"),
    ("y = 'softmax*x'", "[equations] y.softmax: formulas know this word"),
    ("'a b' = 'x'", '[equations] "a b": expected a name: a letter, then letters, digits or _'),
    ("1 = 'x'", "[equations] 1: expected a name"),
    ("'' = 'x'", '[equations] "": expected a name'),
    ("y = 'lambda*x'", "[equations] y.lambda: this is a word of Python"),
    ("learning_rate = 'x'", "learning_rate is a setting in [values]"),
    ("y = '2*3'", "[equations]: the formulas use no variable, so there is nothing to"),
    ("y = 'w*x'\n[values]\nv = 1", "[values] v: no formula uses this, expected one of w, x, learn"),
    ("y = 'weight*x'\n[values]\nwieght = 1", '; did you mean "weight"?'),
    ("y = 'w*x'\n[values]\ny = 1", "[values] y: this is computed, so it takes no value; only w, x"),
    ("y = 'w*x'\n[values]\nw = [1]", "[values] w: a list of 1 given, expected a number"),
    ("y = 'w*x'\n[values]\nw = true", "[values] w: true given, expected a number"),
    ("y = 'w*x'\n[values]\nlearning_rate = 0", "learning_rate: 0 given, expected a number above 0"),
    ("y = 'x'\n[activations.f]\nformula = 'z'", "[activations]: belongs to [network]"),
]  # fmt: skip


@each("lines, fragment", EQUATION_MISTAKES)
def test_mistakes_in_equations(lines, fragment):
    """Formulas use earlier stages and leaves only, and names mean one thing."""
    assert fragment in refusal(f"[equations]\n{lines}")


# ------------------------------------------------------------------------------------------ files

FILE_MISTAKES = [
    (b"", "[network] and [equations]: neither given, expected exactly one of the two"),
    (b"[network]\ninputs = \n", "not TOML: Invalid value (at line 2, column 10)"),
    (b"[network]\nloss = '\xff'", "the file is not UTF-8: byte 0xff at offset 18"),
    (b"x = " + b"[" * 100_000, "the file's brackets are nested too deeply"),
    (b"x = " + b"{a = " * 100_000, "the file's brackets are nested too deeply"),
    (b"a" + b".a" * 100_000 + b" = 1", "a key of more than 20 parts joined by dots"),
    (b'"a"' + b' . "a"' * 100_000 + b" = 1", "a key of more than 20 parts joined by dots"),
    (b"a" * 1_900_000, "not TOML: Expected '=' after a key"),
    (b"#" * 2_000_001, "the file is larger than 2 MB"),
    (b"x = " + b"9" * 5_000, "it holds a number far too long or too large to be read"),
    (b"x = 1e9999999999999999999", "it holds a number far too long or too large to be read"),
    (b"'\\x1b]0;' = 1\n\"\\u001b[31m\" = 1", "unknown key, expected one of title, network"),
    (b"[equations]\ny = 'x'\ny = '2*x'", "not TOML: Cannot overwrite a value (at "),
    (b"a\x00b = 1", "not TOML: "),
]


@each("content, fragment", FILE_MISTAKES)
def test_unreadable_files(tmp_path, content, fragment):
    """Whatever is in a file, the answer is one printable line that begins with its path."""
    path = tmp_path / "net.toml"
    path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        spec.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert fragment in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1_000


def test_paths_that_are_no_file(tmp_path):
    """A missing file, a directory, a device and an impossible path each have their sentence."""
    for path, fragment in [
        (tmp_path / "none.toml", "none.toml: there is no such file"),
        (tmp_path, "this is a directory, expected a network file (TOML)"),
        ("/dev/zero", "/dev/zero: this is not a regular file"),
        ("a\0b", "a\\x00b: the file cannot be read: no file has such a name"),
        (tmp_path / ("n" * 300), "the file cannot be read: File name too long"),
    ]:
        with pytest.raises(SpecError) as caught:
            spec.load(path)
        assert fragment in str(caught.value)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    """A refusal by the system is passed on in its own words."""
    path = tmp_path / "net.toml"
    path.write_text(NETWORK)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SpecError, match=r"net\.toml: the file cannot be read: Permission denied"):
        spec.load(path)


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    """Editors on Windows write one."""
    path = tmp_path / "net.toml"
    path.write_bytes(b"\xef\xbb\xbf" + NETWORK.encode())
    assert spec.load(str(path)).widths == (3, 4, 2)


def test_a_spec_error_is_a_symback_error():
    """One `except SymbackError` serves the command line and a notebook."""
    assert issubclass(SpecError, SymbackError)


# --------------------------------------------------------------------------------------- examples


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_load(path):
    """Every example is valid, has a title, and says on top what it shows and how to run it."""
    text = path.read_text()
    assert text.startswith("# S")
    assert f"examples/{path.name}" in text
    assert spec.load(path).title


def test_the_examples_are_all_there():
    """Each piece of the lectures that a file can state has one, and so has each kind of network."""
    wanted = "s1 s2 s2_nested s3 s4 s5 s6 s7 batch wide bias_per_layer relu user_activation"
    assert {path.stem for path in EXAMPLES} >= set(wanted.split())


def preactivations(net):
    """Yield each layer's pre-activations, computed with doubles, and whether it has a kink at 0."""
    parameters = {name: np.array(value, float) for name, value in net.values.parameters}
    z = sympy.Symbol("z", real=True)
    h = np.atleast_2d(np.array(net.values.x, float))
    for k, layer in enumerate(net.layers, 1):
        a = h @ parameters[f"W{k}"].T + parameters.get(f"b{k}", 0.0)
        if layer.activation.coupled:
            yield a, False
            h = np.exp(a) / np.exp(a).sum(axis=1, keepdims=True)
        else:
            g = activation(layer.activation, lambda _: z, sympy.S.One, layer.units)
            yield a, g.has(sympy.Piecewise)
            h = np.vectorize(lambda value, g=g: float(g.subs(z, value)))(a)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_keep_away_from_kinks_and_saturation(path):
    """Finite differences mean something at the examples' values."""
    net = spec.load(path)
    if isinstance(net, NetworkSpec) and net.values.x is not None:
        for a, has_kink in preactivations(net):
            assert np.abs(a).max() < 3
            assert not has_kink or np.abs(a).min() > 0.05


# --------------------------------------------------------------------------------------- mangling

SCRAPS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(10**300, 10**400),
    st.floats(),
    st.decimals(),
    st.text(max_size=10),
    st.binary(max_size=3),
    st.sampled_from(["n_0", "x", "z", "exp(z)", "1/0", "softmax", "none", "W1", "9**9**9", "((("]),
    st.lists(st.integers(-2, 5), max_size=4),
    st.lists(st.lists(st.floats(-2, 2), max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)

TEMPLATES = [
    tomllib.loads(path.read_text(), parse_float=Decimal)
    for path in EXAMPLES
    if path.stem in {"s1", "s2", "s6", "s7", "batch", "user_activation", "bias_per_layer"}
]


@st.composite
def mangled(draw):
    """A valid mapping in which a few entries were replaced, removed, renamed or added."""
    root = copy.deepcopy(draw(st.sampled_from(TEMPLATES)))
    for _ in range(draw(st.integers(1, 3))):
        node = root
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if not isinstance(node[key], (dict, list)) or draw(st.integers(0, 3)) == 0:
                mangle_entry(draw, node, key)
                break
            node = node[key]
    return root


def mangle_entry(draw, node, key):
    """Do one of the four to one entry of a dict or a list."""
    action = draw(st.sampled_from(["replace", "remove", "add", "move"]))
    scrap = draw(SCRAPS)
    if action == "replace":
        node[key] = scrap
    elif action == "remove":
        del node[key]
    elif isinstance(node, list):
        node.append(scrap)
    elif action == "add":
        node[draw(st.one_of(st.text(max_size=6), st.sampled_from(["W1", "b1", "y", "L"])))] = scrap
    else:
        node[draw(st.text(max_size=6))] = node.pop(key)


@given(mangled())
@hypothesis_settings(max_examples=400)
def test_mangled_files_raise_nothing_but_spec_errors(mapping):
    """Whatever is replaced, removed, renamed or added: a spec, or one printable SpecError."""
    try:
        message = spec.from_mapping(mapping, "net.toml").source + ": "
    except SpecError as error:
        message = str(error)
    assert message.startswith("net.toml: ")
    assert message.isprintable()
    assert len(message) < 2_000


@given(st.text(max_size=200))
def test_any_text_is_a_file_or_one_error(tmp_path_factory, text):
    """No text makes `load` raise anything but a SpecError."""
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(SpecError):
        spec.load(path)


def test_user_text_is_never_evaluated(tmp_path):
    """A formula that would write a file, were it evaluated, is refused as a formula."""
    trace = tmp_path / "trace"
    attack = f"__import__('pathlib').Path('{trace}').write_text('x')"
    for texts in ({"y": attack}, {attack: "x"}):
        with pytest.raises(SpecError):
            spec.equations(texts)
    with pytest.raises(SpecError):
        spec.network(attack, [(1, attack)], loss=attack, activations={attack: attack})
    assert not trace.exists()
