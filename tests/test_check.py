"""Whole pages through `sb.check`: right ones are proved, a planted error is found in its line.

The pages are symback's own derivations as text.  An error is planted by a mutation of one line; a
referee with its own forward pass (`rewriting.Referee`) says whether the line is wrong now.
"""

import random
from functools import partial

import pytest

import symback as sb
from rewriting import NETWORKS, Referee, Rewriter, mp
from symback.checking.letters import Scope
from symback.checking.page import Claim, read
from symback.language.echo import echo
from symback.language.names import PARAMETERS, elements

NOTATIONS = ("lectures", "nielsen", "bishop", "goodfellow")
EXAMPLES = ("s3", "s4", "s5", "s6", "bias_per_layer", "relu", "user_activation")
DERIVED = [
    *NETWORKS,
    lambda: sb.Network(2, [(2, "gelu"), (2, "softmax")], loss="cross_entropy"),
    lambda: sb.Network(
        2, [(3, "relu"), (2, "tanh"), (2, "softmax")], loss="squared_error", over_outputs="mean"
    ),
    lambda: sb.Network(
        3, [(2, "silu"), (3, "linear")], loss="half_squared_error", bias="per_layer"
    ),
    lambda: sb.Network(2, [(2, "sigmoid"), (2, "sigmoid")], loss="binary_cross_entropy"),
    lambda: sb.Network(1, [(4, "relu"), (1, "linear")], loss="half_squared_error"),
    *(partial(sb.load, f"examples/{name}.toml") for name in EXAMPLES),
]


def parameters(net):
    """The names of all weights and biases; of a network with symbolic widths, one of each layer."""
    if not net.graph.is_concrete():
        yield from ("w_111", "w_212", "b_11")
        return
    for variable in net.graph.variables:
        if variable.role in PARAMETERS:
            yield from (reference.name for reference in elements(variable))


def verdicts(report):
    return {line.verdict.value for line in report.lines}


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("place", range(len(DERIVED)))
def test_no_false_alarm_on_what_symback_derives(place, notation):
    """Every line of every weight's derivation is read and proved, as text and as LaTeX.

    In the letters of books some of the weights have to do.
    """
    net = DERIVED[place]()
    written = net.in_notation(notation)
    names = list(parameters(net))
    for name in names if notation == "lectures" else names[:: max(1, len(names) // 6)]:
        derivation = written.derive(name)
        for page in (derivation.text(), derivation.latex()):
            report = sb.check(page, net, notation=notation)
            assert "proved" in verdicts(report) <= {"proved", "text"}, (name, str(report))


@pytest.mark.parametrize(
    ("example", "wrt"), [("s1", "w"), ("s2", "x"), ("s2_nested", "x"), ("s1", "x")]
)
def test_no_false_alarm_on_computation_graphs(example, wrt):
    net = sb.load(f"examples/{example}.toml")
    derivation = net.derive(wrt)
    for page in (derivation.text(), derivation.latex()):
        assert verdicts(sb.check(page, net)) <= {"proved", "text"}


def test_letters_of_another_book_are_not_taken_for_the_lectures():
    """A page in Bishop's letters is not proved in the lectures'; found by itself, it is."""
    net = sb.load("examples/s4.toml")
    page = net.in_notation("bishop").derive("w_212").text()
    assert not sb.check(page, net, notation="lectures")
    found = sb.check(page, net)
    assert found
    assert "t the target" in found.convention


# --------------------------------------------------------------------------- planted errors


def scope_of(net):
    return Scope.of(net.graph)


def planted(net, draw):
    """A page with one line changed, its number, and the changed side with what it should equal."""
    name = draw.choice(list(parameters(net)))
    items = read(net.derive(name).text(), scope_of(net)).items
    claims = [item for item in items if isinstance(item, Claim)]
    place = draw.randrange(len(claims))
    side = claims[place].sides[-1]
    wrong = Rewriter(net, draw).mutated(side.node)
    lines = [claim.read_as for claim in claims]
    head = lines[place].rpartition(" = ")[0] if not claims[place].continues else ""
    lines[place] = f"{head} = {echo(wrong)}"
    anchors = []
    for claim in claims:
        anchors.append(anchors[-1] if claim.continues else claim.sides[0].node)
    return "\n".join(lines), place + 1, anchors[place], wrong


@pytest.mark.parametrize("place", [0, 1, 2, 3, 4, 8])
def test_a_planted_error_is_found_in_its_line(place):
    """The line that a mutation made wrong is the first one refuted, and none of the others is."""
    net = NETWORKS[place]()
    draw = random.Random(place)
    referees = [Referee(net, seed) for seed in range(2)]
    found = 0
    for _ in range(25):
        page, line, truth, wrong = planted(net, draw)
        try:
            gaps = [abs(r.value(truth) - r.value(wrong)) for r in referees]
        except (ZeroDivisionError, TypeError):
            continue
        report = sb.check(page, net)
        said = {each.line: each.verdict.value for each in report.lines}
        if all(gap < mp.mpf("1e-40") for gap in gaps):
            assert said[line] == "proved", page
        elif said[line] not in ("conditional", "proved", "undecided"):
            assert report.first_wrong == line, (page, said)
            found += 1
        elif said[line] == "proved":
            assert "Σy = 1" in report.lines[line - 1].reason, page
        others = {verdict for number, verdict in said.items() if number != line}
        assert others <= {"proved", "follows", "conditional"}, (page, said)
    assert found > 10


def test_a_report_says_what_the_issue_asks():
    """The JSON of a wrong page: verdict, first wrong line, bound, mistake by name, witness."""
    net = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
    page = "∂L/∂w_212 = ∂L/∂a_21 h_12\n= (y_1 - ŷ_1) h_12"
    data = sb.check(page, net).as_data()
    assert (data["verdict"], data["first_wrong"]) == ("refuted", 2)
    assert data["bound"].startswith("2^-")
    line = data["lines"][1]
    assert line["diagnosis"][0]["name"] == "sign-flipped"
    assert line["diagnosis"][0]["correct"] == "(ŷ_1 - y_1)·h_12"
    assert set(line["witness"]) == {"values", "left", "right"}
    assert line["read_as"] == "= (y_1 - ŷ_1)·h_12"


def test_what_cancels_is_told_as_zero():
    """∂L/∂a_21 + ∂L/∂a_22 is 0 behind a softmax; what rounding leaves of it is no value."""
    net = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="squared_error")
    (line,) = sb.check("∂L/∂h_13 = ∂L/∂a_21 + ∂L/∂a_22", net).lines
    assert line.witness.right == "0" != line.witness.left


def test_a_convention_is_said_before_a_page_is_called_wrong():
    """A page that reads w_kij from i to j throughout is right under that reading."""
    net = sb.Network(3, [(3, "tanh"), (3, "softmax")], loss="cross_entropy")
    page = "∂L/∂w_212 = (ŷ_2 - y_2)·h_11\n∂L/∂w_231 = (ŷ_1 - y_1)·h_13"
    report = sb.check(page, net)
    assert report.verdict.value == "conditional"
    assert "neuron i to neuron j" in report.lines[0].reason


def test_a_proof_without_chance_has_the_bound_zero():
    """--prove: where every line is proved by expanding, nothing is left to chance."""
    net = sb.Network(2, [(3, "tanh"), (2, "linear")], loss="half_squared_error")
    page = "∂L/∂w_212 = (ŷ_1 - y_1)·h_12"
    assert sb.check(page, net, prove=True).bound == "0"
    assert sb.check(page, net).bound.startswith("2^-")


def test_the_same_page_has_the_same_report_under_other_primes():
    """Secret points change from run to run; what is said does not."""
    net = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
    again = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
    page = "∂L/∂w_112 = (ŷ_1 - y_1) w_211 h_11 (1 - h_11) x_2"
    assert sb.check(page, net).as_data() == sb.check(page, again).as_data()


@pytest.mark.parametrize(
    "page",
    [
        "h_11 = {name}(a_11)",
        "h_1 = {name}(a_1)",
        "∂h_11/∂a_11 = {name}'(a_11)",
        r"$$h_{{11}} = \mathrm{{{name}}}(a_{{11}})$$",
        r"$$\frac{{\partial h_{{11}}}}{{\partial a_{{11}}}} = \operatorname{{{name}}}'(a_{{11}})$$",
    ],
)
@pytest.mark.parametrize("name", ["swish2", "my_act", "leaky_relu"])
def test_an_activation_is_known_by_its_name(page, name):
    """A page may name the function of a layer, one of the user's own among them."""
    own = {} if name == "leaky_relu" else {name: "z/(1 + exp(-2*z))"}
    net = sb.Network(2, [(3, name), (2, "softmax")], loss="cross_entropy", activations=own)
    typed = name.replace("_", r"\_") if "$" in page else name
    assert verdicts(sb.check(page.format(name=typed), net)) == {"proved"}
    assert not sb.check(page.format(name="tanh"), net)


def test_an_activation_named_like_a_neuron_is_no_function():
    """h1(1 - h1) is a product, even where a layer's function is called h1."""
    net = sb.Network(2, [(3, "h1"), (2, "softmax")], loss="cross_entropy",
                     activations={"h1": "z**3"})  # fmt: skip
    assert "h1(" not in sb.check("∂L/∂w_212 = (ŷ_1 - y_1) h1(1 - h1)", net).lines[0].read_as
