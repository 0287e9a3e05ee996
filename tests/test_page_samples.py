"""Pages about all samples of a batch: in columns, in rows, and numbered one by one."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

import symback as sb
from symback.cli import main
from symback.language.names import NOTATIONS, Samples, UnknownNotation

ROOT = Path(__file__).parent.parent


def network(mean="mean", **values):
    """The 2-3-1 network of a first course: sigmoids and binary cross-entropy."""
    layers = [(3, "sigmoid"), (1, "sigmoid")]
    return sb.Network(2, layers, loss="binary_cross_entropy", over_samples=mean, **values)


MEAN, SUM = network(), network("sum")


def verdict(line, net=MEAN, notation="ng"):
    """What is said of the last line of a page."""
    return sb.check(line, net, notation=notation).lines[-1].verdict.value


# ------------------------------------------------------------------------------- Ng's columns

COLUMNS = {
    r"$dZ^{[2]} = A^{[2]} - Y$": (r"$dZ^{[2]} = Y - A^{[2]}$", r"$dZ^{[2]} = A^{[1]} - Y$"),
    r"$dW^{[2]} = \frac{1}{m} dZ^{[2]} A^{[1]T}$": (
        r"$dW^{[2]} = dZ^{[2]} A^{[1]T}$",
        r"$dW^{[2]} = \frac{1}{m} A^{[1]} dZ^{[2]T}$",
        r"$dW^{[2]} = \frac{1}{m} dZ^{[2]} A^{[1]}$",
        r"$dW^{[2]} = \frac{1}{m} dZ^{[2]} A^{[2]T}$",
    ),
    r"$db^{[2]} = \frac{1}{m} np.sum(dZ^{[2]}, axis=1, keepdims=True)$": (
        r"$db^{[2]} = \frac{1}{m} np.sum(dZ^{[2]}, axis=0, keepdims=True)$",
        r"$db^{[2]} = np.sum(dZ^{[2]}, axis=1, keepdims=True)$",
        r"$db^{[2]} = \frac{1}{m} dZ^{[2]}$",
    ),
    r"$dZ^{[1]} = W^{[2]T} dZ^{[2]} * g^{[1]'}(Z^{[1]})$": (
        r"$dZ^{[1]} = W^{[2]T} dZ^{[2]}$",
        r"$dZ^{[1]} = W^{[2]} dZ^{[2]} * g^{[1]'}(Z^{[1]})$",
        r"$dZ^{[1]} = W^{[2]T} dZ^{[2]} * g^{[1]}(Z^{[1]})$",
        r"$dZ^{[1]} = \frac{1}{m} W^{[2]T} dZ^{[2]} * g^{[1]'}(Z^{[1]})$",
    ),
    r"$dW^{[1]} = \frac{1}{m} dZ^{[1]} X^T$": (r"$dW^{[1]} = \frac{1}{m} dZ^{[1]} X$",),
    r"$Z^{[1]} = W^{[1]} X + b^{[1]}$": (r"$Z^{[1]} = W^{[1]T} X + b^{[1]}$",),
    r"$A^{[2]} = \sigma(Z^{[2]})$": (r"$A^{[2]} = \sigma(Z^{[1]})$",),
    r"$\frac{\partial J}{\partial Z^{[2]}} = \frac{1}{m}(A^{[2]} - Y)$": (
        r"$\frac{\partial J}{\partial Z^{[2]}} = A^{[2]} - Y$",
    ),
}
"""Right lines in Ng's letters, and wrong ones beside them."""


def with_marks(line):
    """The line on a page that says by another one what d stands for."""
    return f"$dW^{{[2]}} = \\frac{{1}}{{m}} dZ^{{[2]}} A^{{[1]T}}$\n\n{line}"


@pytest.mark.parametrize("line", COLUMNS)
def test_right_lines_in_columns_are_proved(line):
    """Each of Ng's lines for a batch holds."""
    assert verdict(with_marks(line)) == "proved"


@pytest.mark.parametrize("line", [wrong for each in COLUMNS.values() for wrong in each])
def test_wrong_lines_in_columns_are_not(line):
    """A missing 1/m, another axis, no sum over the samples, a transpose: never proved."""
    assert verdict(with_marks(line)) in ("refuted", "undecided")


CODE = {
    "dZ2 = A2 - Y": "dZ2 = (A2 - Y) / m",
    "dW2 = 1/m * np.dot(dZ2, A1.T)": "dW2 = np.dot(dZ2, A1.T)",
    "dW1 = np.dot(dZ1, X.T) / m": "dW1 = np.dot(X, dZ1.T) / m",
    "db2 = 1/m * np.sum(dZ2, axis=1, keepdims=True)": "db2 = 1/m * np.sum(dZ2, keepdims=True)",
    "db1 = np.sum(dZ1, axis=1, keepdims=True) / m": "db1 = np.sum(dZ1, axis=0) / m",
    "dZ1 = np.multiply(np.dot(W2.T, dZ2), A1 * (1 - A1))": "dZ1 = np.dot(W2.T, dZ2) * (1 - A1)",
    "dZ1 = W2.T @ dZ2 * A1 * (1 - A1)": "dZ1 = W2.T @ dZ2 * (1 - np.power(A1, 2))",
    "dW2 = dZ2 @ A1.T / X.shape[1]": "dW2 = dZ2 @ A1.T / X.shape[0]",
    "J = -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m":
        "J = -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))",
    "J = np.mean(-Y * np.log(A2) - (1 - Y) * np.log(1 - A2))":
        "J = np.mean(-Y * np.log(A2) - (1 - Y) * np.log(A2))",
}  # fmt: skip


@pytest.mark.parametrize("line", CODE)
def test_the_same_as_a_program(line):
    """The lines of the course's exercises; the wrong one beside each is not proved."""
    assert verdict(line) == "proved"
    if "sum(dZ2, keepdims" not in CODE[line]:  # of one neuron the sum of all entries is the sum
        assert verdict(CODE[line]) in ("refuted", "undecided")


NUMBERED = {
    r"$z^{[1](i)} = W^{[1]} x^{(i)} + b^{[1]}$": r"$z^{[1](i)} = W^{[1]} x^{(i)}$",
    r"$J = \frac{1}{m}\sum_{i=1}^m L(a^{[2](i)}, y^{(i)})$":
        r"$J = \sum_{i=1}^m L(a^{[2](i)}, y^{(i)})$",
    r"$J = \frac{1}{m}\sum_i L^{(i)}$": r"$J = L^{(i)}$",
    r"$dz^{[2](i)} = a^{[2](i)} - y^{(i)}$": r"$dz^{[2](i)} = \frac1m (a^{[2](i)} - y^{(i)})$",
    r"$dW^{[2]} = \frac{1}{m}\sum_{i=1}^m dz^{[2](i)} a^{[1](i)T}$":
        r"$dW^{[2]} = \sum_{i=1}^m dz^{[2](i)} a^{[1](i)T}$",
    r"$db^{[2]} = \frac1m \sum_i dz^{[2](i)}$": r"$db^{[2]} = dz^{[2](i)}$",
    r"$\partial J/\partial w^{[2]}_{11} = \frac1m\sum_i (a^{[2](i)} - y^{(i)}) a^{[1](i)}_1$":
        r"$\partial J/\partial w^{[2]}_{11} = \frac1m\sum_i (a^{[2](i)} - y^{(i)}) x^{(i)}_1$",
}  # fmt: skip


@pytest.mark.parametrize("line", NUMBERED)
def test_samples_by_their_numbers(line):
    """x^{(i)}, z^{[1](i)}, sums over i; the wrong one beside each is not proved."""
    assert verdict(with_marks(line)) == "proved"
    assert verdict(with_marks(NUMBERED[line])) != "proved"


def test_sum_or_mean_is_what_the_network_file_says():
    """With J the sum there is no 1/m, and a line with it is wrong."""
    without = "dW2 = np.dot(dZ2, A1.T)"
    assert (verdict(without, SUM), verdict(without, MEAN)) == ("proved", "refuted")
    assert verdict("dW2 = np.dot(dZ2, A1.T) / m", SUM) == "refuted"


def test_small_letters_are_one_sample():
    """On the same page dz, dw and db of one sample need no sum."""
    assert verdict("$dW^{[2]} = dz^{[2]} a^{[1]T}$") == "proved"
    assert verdict(r"$dW^{[2]} = \frac1m dz^{[2]} a^{[1]T}$") in ("undecided", "unread")


# -------------------------------------------------------------------------- a program in rows

ROWS = replace(NOTATIONS["cs231n"], samples=Samples("rows"))
OWN = replace(NOTATIONS["cs231n"], samples=Samples("rows", derivatives="sample"))
CLASSES = sb.Network(2, [(3, "relu"), (4, "softmax")], loss="cross_entropy")

PROGRAM = """\
num_examples = X.shape[0]
hidden_layer = np.maximum(0, np.dot(X, W1) + b1)
scores = np.dot(hidden_layer, W2) + b2
exp_scores = np.exp(scores)
probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
log_probs = -np.log(probs[range(num_examples), y])
loss = np.sum(log_probs) / num_examples
dscores = probs
dscores[range(num_examples), y] -= 1
dscores /= num_examples
dW2 = np.dot(hidden_layer.T, dscores)
db2 = np.sum(dscores, axis=0, keepdims=True)
dhidden = np.dot(dscores, W2.T)
dhidden[hidden_layer <= 0] = 0
dW1 = np.dot(X.T, dhidden)
db1 = np.sum(dhidden, axis=0, keepdims=True)
W1 += -step_size * dW1
W2 -= step_size * dW2
"""
"""A softmax classifier with one hidden layer, in the way of a well-known course."""


def program(*changes, notation=ROWS):
    """The verdicts of the program by its lines, some of them written otherwise."""
    text = PROGRAM
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    report = sb.check(text, CLASSES, notation=notation, budget=20)
    return {line.source: line.verdict.value for line in report.lines}


def test_a_program_in_rows_is_right():
    """Masks, in-place steps, labels as indices and sums along an axis are read as they compute."""
    found = program()
    assert set(found.values()) <= {"proved", "conditional", "text"}
    assert list(found.values()).count("proved") >= 10


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("dscores /= num_examples\n", "", "dscores[range(num_examples), y] -= 1"),
        ("dhidden[hidden_layer <= 0] = 0\n", "", "dW1 = np.dot(X.T, dhidden)"),
        ("dhidden[hidden_layer <= 0]", "dhidden[hidden_layer > 0]", "dW1 = np.dot(X.T, dhidden)"),
        ("np.dot(dscores, W2.T)", "np.dot(dscores, W2)", "dhidden = np.dot(dscores, W2)"),
        ("np.dot(X.T, dhidden)", "np.dot(X, dhidden)", "dW1 = np.dot(X, dhidden)"),
        ("sum(dhidden, axis=0,", "sum(dhidden, axis=1,",
         "db1 = np.sum(dhidden, axis=1, keepdims=True)"),
        ("W2 -= step_size", "W2 += step_size", "W2 += step_size * dW2"),
        ("dscores[range(num_examples), y] -= 1\n", "", "dscores /= num_examples"),
    ],
)  # fmt: skip
def test_mistakes_in_a_program_are_not_proved(old, new, wrong):
    """A lost division, mask or subtraction, a transpose, an axis, a step uphill."""
    found = program((old, new))
    assert found.get(wrong) not in ("proved", "conditional")
    if wrong in found:
        assert "refuted" in found.values() or {"unread", "undecided"} & set(found.values())


def test_a_value_used_between_two_steps_is_refused():
    """dscores has been used before it is divided: then nobody can say what it stands for."""
    found = program(("dscores /= num_examples\n", ""), ("W1 +=", "dscores /= num_examples\nW1 +="))
    assert found["dscores /= num_examples"] == "unread"


def test_derivatives_of_samples_and_of_the_batch():
    """dZ without 1/N is that of each sample's own loss; which is meant, the convention says."""
    assert verdict("dscores = probs - y", CLASSES, OWN) == "proved"
    assert verdict("dscores = probs - y", CLASSES, ROWS) == "refuted"
    assert verdict("dscores = (probs - y) / N", CLASSES, ROWS) == "proved"
    assert verdict("dscores = (probs - y) / N", CLASSES, OWN) == "refuted"
    assert verdict("dW2 = hidden.T @ dscores / N", CLASSES, OWN) == "proved"
    assert verdict("dW2 = hidden.T @ dscores", CLASSES, ROWS) == "proved"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("probs = np.exp(scores) / np.sum(np.exp(scores), axis=1)", "unread"),
        ("probs = np.exp(scores) / np.sum(np.exp(scores), axis=0, keepdims=True)", "refuted"),
        ("db2 = dscores.sum(axis=0)", "proved"),
        ("db2 = dscores.sum(axis=1)", "undecided"),
        ("db2 = np.mean(dscores, axis=0)", "refuted"),
        ("dZ1 = (dscores @ W2.T) * (hidden > 0)", "proved"),
        ("dZ1 = (dscores @ W2.T) * (scores > 0)", "undecided"),
        ("loss = -np.sum(y * np.log(probs)) / N", "proved"),
        ("loss = -np.mean(y * np.log(probs))", "refuted"),
        ("loss = -np.mean(np.sum(y * np.log(probs), axis=1))", "proved"),
    ],
)
def test_single_lines_of_a_program(line, expected):
    """What NumPy computes is what the line says: axes, keepdims, a mean of all entries."""
    assert verdict(line, CLASSES, ROWS) == expected


# ----------------------------------------------------------------------- found without a notation

NG_PAGE = "\n".join(COLUMNS)
NG_CODE = """\
Z1 = np.dot(W1, X) + b1
A1 = sigmoid(Z1)
Z2 = np.dot(W2, A1) + b2
A2 = sigmoid(Z2)
dZ2 = A2 - Y
dW2 = 1/m * np.dot(dZ2, A1.T)
db2 = 1/m * np.sum(dZ2, axis=1, keepdims=True)
dZ1 = np.multiply(np.dot(W2.T, dZ2), A1 * (1 - A1))
dW1 = np.dot(dZ1, X.T) / m
"""
ROWS_CODE = """\
z1 = X.dot(W1) + b1
a1 = np.maximum(0, z1)
z2 = a1.dot(W2) + b2
probs = softmax(z2)
delta3 = probs
delta3[range(num_examples), y] -= 1
delta3 /= num_examples
dW2 = (a1.T).dot(delta3)
db2 = np.sum(delta3, axis=0, keepdims=True)
delta2 = delta3.dot(W2.T) * (a1 > 0)
dW1 = np.dot(X.T, delta2)
db1 = np.sum(delta2, axis=0)
"""


@pytest.mark.parametrize(
    ("page", "net", "said"),
    [(NG_PAGE, MEAN, "columns"), (NG_CODE, MEAN, "columns"),
     (ROWS_CODE.replace("num_examples", "N"), CLASSES, "rows")],
)  # fmt: skip
def test_the_page_says_how_samples_lie(page, net, said):
    """Without a notation the page is read in that which explains it, and the report says so."""
    report = sb.check(page, net, budget=20)
    assert {line.verdict.value for line in report.lines} <= {"proved", "text"}
    assert f"the samples of a batch as {said}" in report.convention


@pytest.mark.parametrize(
    ("page", "net", "old", "new"),
    [
        (NG_CODE, MEAN, "1/m * np.dot(dZ2", "np.dot(dZ2"),
        (NG_CODE, MEAN, "np.sum(dZ2, axis=1", "np.sum(dZ2, axis=0"),
        (NG_CODE, MEAN, "np.dot(W2.T, dZ2)", "np.dot(W2, dZ2)"),
        (NG_CODE, MEAN, "A1 * (1 - A1)", "1 - A1"),
        (ROWS_CODE, CLASSES, " * (a1 > 0)", ""),
        (ROWS_CODE, CLASSES, "np.dot(X.T, delta2)", "np.dot(X.T, delta3)"),
    ],
)
def test_a_wrong_line_stays_wrong_whatever_the_page_may_mean(page, net, old, new):
    """No other layout, and no other meaning of dZ, makes a wrong page right."""
    assert page.count(old) == 1
    report = sb.check(page.replace("num_examples", "N").replace(old, new), net, budget=20)
    assert report.verdict.value not in ("proved", "conditional")


# --------------------------------------------------------------------------- symback's own forms


@pytest.mark.parametrize("form", ["text", "latex"])
@pytest.mark.parametrize("mean", ["mean", "sum"])
def test_the_matrix_form_of_a_batch_is_read_back(form, mean, tmp_path, capsys):
    """`symback matrix` of a network with a batch: rows, columns of ones, 1/3 as a number."""
    text = (ROOT / "examples" / "batch.toml").read_text()
    file = tmp_path / "batch.toml"
    file.write_text(text.replace('over_samples = "mean"', f'over_samples = "{mean}"'))
    assert main(["matrix", str(file), "--format", form]) == 0
    page = capsys.readouterr().out
    notation = replace(NOTATIONS["lectures"], samples=Samples("rows", capitals=True))
    report = sb.check(page, sb.load(str(file)), notation=notation, budget=20)
    assert {line.verdict.value for line in report.lines} <= {"proved", "text"}
    wrong = page.replace("1/3", "1/4").replace(r"\frac{1}{3}", r"\frac{1}{4}")
    if mean == "mean":
        report = sb.check(wrong, sb.load(str(file)), notation=notation, budget=20)
        assert report.verdict.value == "refuted"


# ---------------------------------------------------------------------------- over random networks

SLOPES = {
    "sigmoid": "A{k} * (1 - A{k})",
    "tanh": "(1 - np.power(A{k}, 2))",
    "relu": "(Z{k} > 0)",
}


def random_network(seed):
    """A network of two or three layers, with sum or mean, and its hidden activations."""
    draw = random.Random(seed)
    widths = draw.sample([1, 2, 3, 4, 5], draw.choice([3, 4]))
    hidden = [draw.choice([*SLOPES]) for _ in widths[1:-1]]
    output, loss = ("sigmoid", "binary_cross_entropy")
    if widths[-1] > 1 and draw.random() < 0.5:
        output, loss = ("softmax", "cross_entropy")
    layers = list(zip(widths[1:], [*hidden, output], strict=True))
    mean = draw.choice(["mean", "sum"])
    net = sb.Network(widths[0], layers, loss=loss, over_samples=mean)
    return net, hidden, mean


def lines(hidden, mean, axis, derivatives):
    """The right lines of a batch in one layout, and for each some wrong ones."""
    last, columns = len(hidden) + 1, axis == "columns"
    scale = " / m" if (mean == "mean" and derivatives == "sample") else ""
    own = " / m" if (mean == "mean" and derivatives == "batch") else ""
    axes = ("1", "0") if columns else ("0", "1")
    other = "" if scale else " / m"

    def before(k):
        return "X" if k == 1 else f"A{k - 1}"

    found = {
        f"dZ{last} = (A{last} - Y){own}": [
            f"dZ{last} = (Y - A{last}){own}",
            f"dZ{last} = (A{last} - Y){'' if own else ' / m'}",
        ]
    }
    for k in range(1, last + 1):
        right = f"dZ{k} @ {before(k)}.T" if columns else f"{before(k)}.T @ dZ{k}"
        turned = f"{before(k)} @ dZ{k}.T" if columns else f"dZ{k}.T @ {before(k)}"
        found[f"dW{k} = {right}{scale}"] = [
            f"dW{k} = {right}{other}", f"dW{k} = {turned}{scale}",
            f"dW{k} = {right.replace('.T', '')}{scale}",
        ]  # fmt: skip
        total = f"np.sum(dZ{k}, axis={{}}, keepdims=True)"
        found[f"db{k} = {total.format(axes[0])}{scale}"] = [
            f"db{k} = {total.format(axes[1])}{scale}", f"db{k} = {total.format(axes[0])}{other}",
            f"db{k} = dZ{k}{scale}",
        ]  # fmt: skip
        forward = f"W{k} @ {before(k)}" if columns else f"{before(k)} @ W{k}"
        found[f"Z{k} = {forward} + b{k}"] = [f"Z{k} = {forward.replace(f'W{k}', f'W{k}.T')} + b{k}",
                                            f"Z{k} = {forward}"]  # fmt: skip
        if k == last:
            continue
        back = f"W{k + 1}.T @ dZ{k + 1}" if columns else f"dZ{k + 1} @ W{k + 1}.T"
        slope = SLOPES[hidden[k - 1]].format(k=k)
        found[f"dZ{k} = ({back}) * {slope}"] = [
            f"dZ{k} = {back}", f"dZ{k} = ({back.replace('.T', '')}) * {slope}",
            f"dZ{k} = ({back}) * {slope} / m", f"dZ{k} = ({back}) * A{k}",
        ]  # fmt: skip
    return found


@pytest.mark.parametrize("axis", ["columns", "rows"])
@pytest.mark.parametrize("derivatives", ["sample", "batch"])
@pytest.mark.parametrize("seed", range(4))
def test_the_backward_pass_of_random_networks(seed, derivatives, axis):
    """Right lines are proved, wrong ones refuted or refused, never proved."""
    net, hidden, mean = random_network(seed)
    notation = replace(
        NOTATIONS["ng"], rows=axis == "rows", samples=Samples(axis, derivatives=derivatives)
    )
    for right, wrong in lines(hidden, mean, axis, derivatives).items():
        assert verdict(right, net, notation) == "proved", right
        for line in wrong:
            given = verdict(line, net, notation)
            assert given not in ("proved", "conditional"), (right, line, given)


def test_a_notation_file_says_how_samples_lie(tmp_path):
    """[samples] in a file; a wrong key or value is refused with those that there are."""
    file = tmp_path / "own.toml"
    file.write_text('base = "ng"\n[samples]\naxis = "columns"\nderivatives = "batch"\n')
    assert verdict("dW2 = np.dot(dZ2, A1.T)", MEAN, file) == "proved"
    for wrong in ('axis = "column"', 'axes = "rows"', "capitals = 1"):
        file.write_text(f"[samples]\n{wrong}\n")
        with pytest.raises(UnknownNotation, match="samples"):
            verdict("dW2 = np.dot(dZ2, A1.T)", MEAN, file)


def test_a_lost_mean_is_not_excused_by_two_meanings_of_dz():
    """dZ = A - Y with dW = dZ Aᵀ: each is right in one sense of dZ, but the page in neither."""
    report = sb.check("dZ2 = A2 - Y\ndW2 = dZ2 @ A1.T", MEAN)
    assert report.verdict.value == "refuted"
    assert sb.check("dZ2 = A2 - Y\ndW2 = dZ2 @ A1.T", SUM).verdict.value == "proved"


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (r"$$C = \frac{1}{n} \sum_x C_x$$", "proved"),
        (r"$$J = \frac1m\sum_i J^{(i)}$$ and $$J = \sum_i J^{(i)}$$", "refuted"),
        ("$$L = \\frac{1}{N} \\sum_i L_i$$", "proved"),
    ],
)
def test_losses_of_single_samples(page, expected):
    """C_x, J^{(i)} and L_i are the losses of single samples; the batch's is their mean."""
    given = sb.check(page, CLASSES).verdict.value
    assert given == expected or (given == "unread" and expected == "refuted")


def test_a_sum_where_the_file_has_a_mean_is_said_to_be_one():
    """A page that is right for the sum is told so; it states no loss, so it stays wrong."""
    report = sb.check("dZ2 = A2 - Y\ndW2 = dZ2 @ A1.T", MEAN)
    assert "right for the sum over the samples" in report.lines[-1].reason
