"""Numbers on pages: what is printed, cut or carried on rounded is right, and mistakes have names.

`page` calculates a small network as a person does, line by line, with so many digits; no line of it
is ever called wrong, and a wrong digit in the second place is.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import symback as sb
from symback.checking.report import LineReport

MAZUR = sb.load("tests/cases/nets/mazur.toml")
S5 = sb.load("examples/s5.toml")
RIGHT = {"proved", "conditional"}


def lines(text: str, net: sb.Network = MAZUR) -> list[LineReport]:
    """What is said of a page, its words left out."""
    found = sb.check(text, net, notation="lectures").lines
    return [line for line in found if line.verdict.value != "text"]


def verdicts(text: str, net: sb.Network = MAZUR) -> list[str]:
    """The verdicts of a page."""
    return [line.verdict.value for line in lines(text, net)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.2984 = L", "proved"),
        ("0.2894 = L", "refuted"),
        ("0.5·(0.01 - 0.7514)² + 0.5·(0.99 - 0.7729)² = 0.2984 = L", "proved"),
        ("1 - 0.4139² = 0.8287", "proved"),
        ("1 - 0.4139² = 0.8387", "refuted"),
        ("L ≈ 0.2983", "proved"),  # it is 0.298371: cut
        ("L = 0.2983", "proved"),
        ("L ≈ 0.2985", "conditional"),  # one off in the last place
        ("L = 0.2985", "refuted"),
        ("L = 0.29838", "conditional"),  # rounded the wrong way
        ("L ≈ 0.29838", "proved"),
        ("L ≈ 0.2994", "refuted"),
        ("h_11 = 0.6", "proved"),
        ("h_11 = 0.5", "refuted"),  # of one digit one more or less is much
        ("∂L/∂w_211 = 0.7414 * 0.1868 * 0.5933 = 0.0822", "proved"),
        ("∂L/∂w_211 = 0.74136507 * 0.186815602 * 0.593269992 = 0.082167041", "proved"),
        ("∂L/∂w_211 = 0.7414 * 0.1868 * 0.5933 = 0.0922", "refuted"),
        ("w_211 = 0.4 - 0.5·0.082167 = 0.3589", "proved"),
        ("w_211 = 0.3589", "proved"),
        ("w_211 = 0.3689", "refuted"),
        ("w_211 = 0.4 - 0.5·0.082167 = 0.3689", "refuted"),
        ("w_211 = 0.4 + 0.5·0.082167 = 0.4411", "refuted"),
        ("w_211 = 0.4 - 0.25·0.082167 = 0.3795", "conditional"),  # another rate
        ("w_221 = 0.5 - 0.5·(-0.0226) = 0.5113", "proved"),
        ("h_11 = 0.6\n∂L/∂w_211 = 0.1385·0.6 = 0.0831", "conditional"),
    ],
)
def test_a_number_means_what_it_prints(text, expected):
    assert verdicts(text)[-1] == expected


GRADIENTS = MAZUR.evaluate()["gradients"]
FORWARD = MAZUR.evaluate()["forward"]


def stale() -> float:
    """∂L/∂w_111 with the new weights of layer 2."""
    new, (d1, d2) = MAZUR.evaluate()["updated"]["W2"], GRADIENTS["a2"]
    h = FORWARD["h1"][0]
    return (d1 * new[0][0] + d2 * new[1][0]) * h * (1 - h) * 0.05


def of_paths(first: float, second: float, *, slope: bool = True) -> float:
    """∂L/∂w_111 with these weights on its two paths."""
    (d1, d2), h = GRADIENTS["a2"], FORWARD["h1"][0]
    return (d1 * first + d2 * second) * (h * (1 - h) if slope else 1) * 0.05


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("stale-weights", f"∂L/∂w_111 = {stale():.7f}"),
        ("stale-weights", f"w_111 = 0.15 - 0.5·{stale():.7f} = {0.15 - 0.5 * stale():.8f}"),
        ("stale-weights", f"w_111 ← {0.15 - 0.5 * stale():.8f}"),
        ("missing-path", f"∂L/∂w_111 = {of_paths(0.4, 0):.7f}"),
        ("transposed-weight", f"∂L/∂w_111 = {of_paths(0.4, 0.45):.7f}"),
        ("missing-activation-derivative", f"∂L/∂w_111 = {of_paths(0.4, 0.5, slope=False):.6f}"),
        ("sign-flipped", f"∂L/∂w_111 = {-of_paths(0.4, 0.5):.7f}"),
        ("constant-factor", f"∂L/∂w_111 = {2 * of_paths(0.4, 0.5):.7f}"),
        ("missing-forward-term", "a_21 = 0.5059"),
        ("missing-input-factor", f"∂L/∂w_211 = {GRADIENTS['a2'][0]:.5f}"),
        ("descent-direction", "w_211 ← 0.44108"),
    ],
)
def test_a_mistake_is_recognised_from_its_number_alone(name, text):
    first = next(line for line in lines(text) if line.verdict.value != "proved")
    assert first.verdict.value == "refuted"
    assert name in [each.name for each in first.diagnosis]


def test_two_digits_are_too_few_for_a_name():
    (line,) = lines(f"∂L/∂w_111 = {stale():.5f}")
    assert line.verdict.value == "refuted"
    assert [each.name for each in line.diagnosis] == ["arithmetic"]


def test_a_number_from_a_wrong_one_further_up_follows():
    page = "h_11 = 0.90\nh_12 = 0.3659\nh_13 = 0.4134\nh_14 = 0.6682\na_21 = 0.9378"
    assert verdicts(page, S5) == ["refuted", "proved", "proved", "proved", "follows"]
    assert verdicts(page.replace("0.9378", "0.9978"), S5)[-1] == "refuted"


def test_numbers_carried_on_are_right_and_others_are_not():
    """a_21 from activations of two digits is 0.884; unrounded it is 0.889."""
    page = "h_11 = 0.80\nh_12 = 0.37\nh_13 = 0.41\nh_14 = 0.67\na_21 = "
    assert verdicts(page + "0.884", S5)[-1] == "conditional"
    assert verdicts("a_21 = 0.884", S5) == ["refuted"]
    assert verdicts(page + "0.864", S5)[-1] == "refuted"


# -------------------------------------------------------------------------- pages of calculations


def shown(value: float, digits: int, *, cut: bool = False) -> str:
    """A number with so many significant digits, rounded or cut off."""
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    unit = 10.0**-decimals
    steps = math.trunc(value / unit) if cut else round(value / unit)
    return f"{steps * unit:.{max(0, decimals)}f}"


class Hand:
    """A 2-2-2 network of sigmoids with half the squared error, calculated on paper.

    ``carried``: it goes on with the numbers that it prints.
    """

    def __init__(self, seed: int, digits: int, *, cut: bool, carried: bool) -> None:
        self.draw = random.Random(seed)
        self.digits, self.cut, self.carried = digits, cut, carried
        self.text: dict[str, str] = {}
        self.number: dict[str, float] = {}
        self.given = {
            name: round(self.draw.choice((-1, 1)) * self.draw.uniform(0.1, 1.2), 2)
            for name in ("x_1 x_2 y_1 y_2 b_11 b_12 b_21 b_22 w_111 w_112 w_121 w_122 "
                         "w_211 w_212 w_221 w_222").split()
        }  # fmt: skip

    @property
    def net(self) -> sb.Network:
        """The network of these numbers."""
        get, both = self.given, (1, 2)
        values = {"x": [get["x_1"], get["x_2"]], "y": [get["y_1"], get["y_2"]]}
        for k in both:
            values[f"W{k}"] = [[get[f"w_{k}{i}{j}"] for j in both] for i in both]
            values[f"b{k}"] = [get[f"b_{k}{i}"] for i in both]
        layers = [(2, "sigmoid"), (2, "sigmoid")]
        values["learning_rate"] = 0.5
        return sb.Network(2, layers, loss="half_squared_error", values=values)

    def said(self, name: str) -> str:
        """A quantity as a number in a calculation, in brackets where it is negative."""
        text = self.text.get(name) or f"{self.given[name]:.2f}"
        return f"({text})" if text.startswith("-") else text

    def line(self, name: str, formula: str, value: float) -> str:
        """``name = formula = number``, or without the calculation."""
        self.text[name] = text = shown(value, self.digits, cut=self.cut)
        self.number[name] = float(text) if self.carried else value
        sign = self.draw.choice(("=", "≈"))
        if self.draw.random() < 0.3:
            return f"{name} {sign} {text}"
        if self.draw.random() < 0.1:
            return f"{text} = {name}"
        return f"{name} = {formula} {sign} {text}"

    def lines(self) -> Iterator[str]:
        """The forward pass, the backward pass and the step of one weight."""
        say, get, number = self.said, self.given, self.number
        for k, below in ((1, ("x_1", "x_2")), (2, ("h_11", "h_12"))):
            for i in (1, 2):
                values = [number.get(name, get.get(name, 0)) for name in below]
                weights = [f"w_{k}{i}{j}" for j in (1, 2)]
                terms = [f"{say(w)}·{say(v)}" for w, v in zip(weights, below, strict=True)]
                a = sum(get[w] * v for w, v in zip(weights, values, strict=True))
                a += get[f"b_{k}{i}"]
                yield self.line(f"a_{k}{i}", f"{' + '.join(terms)} + {say(f'b_{k}{i}')}", a)
                h, a = (f"h_1{i}" if k == 1 else f"ŷ_{i}"), number[f"a_{k}{i}"]
                argument = self.text[f"a_{k}{i}"]
                yield self.line(h, f"1/(1 + e^(-({argument})))", 1 / (1 + math.exp(-a)))
        for i in (1, 2):
            out, y = number[f"ŷ_{i}"], get[f"y_{i}"]
            text = f"({say(f'ŷ_{i}')} - {say(f'y_{i}')})·{say(f'ŷ_{i}')}·(1 - {say(f'ŷ_{i}')})"
            yield self.line(f"∂L/∂a_2{i}", text, (out - y) * out * (1 - out))
            delta, h = number[f"∂L/∂a_2{i}"], number["h_11"]
            text = f"{say(f'∂L/∂a_2{i}')}·{say('h_11')}"
            yield self.line(f"∂L/∂w_2{i}1", text, delta * h)
        deltas = [number[f"∂L/∂a_2{i}"] for i in (1, 2)]
        terms = [f"{say(f'∂L/∂a_2{i}')}·{say(f'w_2{i}1')}" for i in (1, 2)]
        up = sum(d * get[f"w_2{i}1"] for i, d in enumerate(deltas, start=1))
        if abs(up) > 1e-3:
            yield self.line("∂L/∂h_11", " + ".join(terms), up)
            h = number["h_11"]
            text = f"{say('∂L/∂h_11')}·{say('h_11')}·(1 - {say('h_11')})"
            yield self.line("∂L/∂a_11", text, number["∂L/∂h_11"] * h * (1 - h))
        step = number["∂L/∂w_211"]
        old, text = self.given["w_211"], f"{self.given['w_211']:.2f} - 0.5·{say('∂L/∂w_211')}"
        yield self.line("w_211", text, old - 0.5 * step)


HANDS = st.builds(
    Hand, st.integers(0, 10**6), st.integers(3, 6), cut=st.booleans(), carried=st.booleans()
)


@given(HANDS)
def test_a_right_calculation_is_never_called_wrong(hand):
    """Printed to 3–6 digits, rounded or cut, carried on with all digits or with those printed."""
    page = list(hand.lines())
    found = lines("\n".join(page), hand.net)
    assert len(found) == len(page)
    wrong = [(each.source, each.reason) for each in found if each.verdict.value not in RIGHT]
    assert not wrong


@given(HANDS, st.randoms(use_true_random=False))
def test_a_wrong_digit_in_the_second_place_is_refuted(hand, draw):
    page = list(hand.lines())
    place = draw.randrange(len(page) - 1)
    line = page[place]
    start = 0 if line[0].isdigit() or line[0] == "-" else max(line.rfind("="), line.rfind("≈"))
    digits = [k for k in range(start, len(line)) if line[k].isdigit()]
    leading = next(n for n, k in enumerate(digits) if line[k] != "0")
    if start == 0:
        digits = [k for k in digits if k < line.index("=")]
    wrong = digits[leading + 1]
    other = str((int(line[wrong]) + draw.randint(2, 8)) % 10)
    page[place] = line[:wrong] + other + line[wrong + 1 :]
    found = lines("\n".join(page[: place + 1]), hand.net)[place]
    assert found.verdict.value == "refuted", (page[place], found.reason)


# ------------------------------------------------------------------------- what pages do besides


def test_after_a_step_numbers_may_be_the_new_ones():
    """a_21 is 1.10591 before the step of w_211, and 1.08153 behind it."""
    step = "w_211 ← 0.4 - 0.5·0.082167 = 0.3589\n"
    assert verdicts(step + "a_21 = 1.0815") == ["proved", "conditional"]
    assert verdicts(step + "a_21 = 1.1059") == ["proved", "proved"]
    assert verdicts(step + "a_21 = 1.0915") == ["proved", "refuted"]
    assert verdicts("a_21 = 1.0815") == ["refuted"]


def test_a_new_value_may_say_so_below():
    assert verdicts(r"$w_{211,new} = 0.4 - 0.5 \cdot 0.0822 = 0.3589$") == ["proved"]
    assert verdicts(r"$w_{211,new} = 0.4 + 0.5 \cdot 0.0822$") == ["refuted"]


def test_a_name_may_be_a_rounded_number():
    page = "u = ½(y_1 - ŷ_1)²\nv = 0.023560026\nL = {}"
    assert verdicts(page.format("u + v")) == ["conditional"]
    assert verdicts(page.format("u + 2v")) == ["refuted"]


def test_a_function_with_an_unknown_name_is_not_left_out():
    """Of a_11 = Foo(a_12) = 3 nothing is said, least of all that a_12 = 3 is wrong."""
    found = verdicts(r"$h_{11} = \text{Foo}(a_{11}) = 3$")
    assert set(found) == {"unread"}
    assert verdicts(r"$h_{11} = \text{Sigmoid}(a_{11})$") == ["proved"]


def test_numbers_of_an_array_that_was_wrong_are_followed():
    page = r"""
        h_1 = \begin{bmatrix} 0.59327 \\ 0.49688 \end{bmatrix}
        a_{21} = 0.40 \cdot 0.59327 + 0.45 \cdot 0.49688 + 0.60 = 1.06090
    """
    assert verdicts(page) == ["refuted", "follows"]
