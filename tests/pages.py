"""The networks whose pages the tests read, from the examples and beyond them, each made once."""

from __future__ import annotations

import functools
import itertools
import re
import tomllib
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import symback as sb
from symback.network import Network

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FORMS = ("tex", "html", "md", "txt")
DETAILS = ("brief", "normal", "full")

WANTED: dict[str, tuple[str, ...]] = {
    # network: the names whose sheets are read
    "s1": ("w", "x", "s"),
    "s2": ("x",),
    "s2_nested": ("x",),
    "s3": ("w_111", "b_11", "w_511"),
    "s4": ("w_212", "b_21", "yhat_2"),
    "s5": ("w_131", "h_13", "x_1"),
    "s6": ("w_111", "w_211"),
    "s7": ("w_111", "w_223"),
    "batch": ("w_111", "b_22", "a_11"),
    "bias_per_layer": ("b_1", "w_111"),
    "relu": ("w_121", "w_131"),
    "user_activation": ("w_112", "b_21"),
    "wide": ("w_325", "w_1,2,3"),
    "chain_of_12": ("w_111", "w_12,1,1"),
    "deep_softmax": ("w_111",),
    "ten_classes": ("w_111",),
    "two_hidden": ("w_1,2,1",),
    "huber_mean": ("w_111",),
    "absolute": ("w_111",),
    "elu_gelu_silu_softplus": ("w_111",),
    "output": ("w_111",),
    "symbolic_batch": ("w_111",),
    "branches": ("w",),
}


@functools.cache
def network(name: str) -> Network:
    """The network of an example, or one of `MADE`."""
    path = EXAMPLES / f"{name}.toml"
    return sb.load(path) if path.exists() else MADE[name]()


def numbers_of(name: str) -> Mapping[str, Any]:
    """What the network's file gives as numbers."""
    path = EXAMPLES / f"{name}.toml"
    if path.exists():
        return tomllib.loads(path.read_text("utf-8")).get("values", {})
    return GIVEN[name]


def numbered(inputs: int, widths: Iterable[int], **more: Any) -> dict[str, Any]:
    """Plain numbers for every parameter of a network, all different, none at a kink."""
    count = itertools.count(1)

    def fresh() -> float:
        k = next(count)
        return (-1) ** (k * k // 3) * round(0.07 + (k * 37 % 83) / 100, 2)

    sizes = [inputs, *widths]
    values: dict[str, Any] = {"x": [fresh() for _ in range(inputs)]}
    for layer, (size, units) in enumerate(itertools.pairwise(sizes), start=1):
        values[f"W{layer}"] = [[fresh() for _ in range(size)] for _ in range(units)]
        values[f"b{layer}"] = [fresh() for _ in range(units)]
    values["y"] = [round(0.3 + 0.1 * i, 1) for i in range(sizes[-1])]
    return {**values, "learning_rate": 0.1, **more}


GIVEN: dict[str, Mapping[str, Any]] = {
    "chain_of_12": numbered(1, [1] * 12),
    "deep_softmax": numbered(4, [4, 4, 2], y=[1.0, 0.0]),
    "ten_classes": numbered(3, [4, 10], y=[1.0, *[0.0] * 9]),
    "two_hidden": numbered(2, [3, 3, 3], y=[0.0, 1.0, 0.0]),
    "huber_mean": numbered(2, [3, 2]),
    "absolute": numbered(2, [3, 2]),
    "elu_gelu_silu_softplus": numbered(2, [2, 2, 2, 2]),
    "output": numbered(2, [2, 2]),
    "branches": {"x": 0.5, "w": -1.5, "learning_rate": 0.1},
}

MADE: dict[str, Any] = {
    "chain_of_12": lambda: sb.Network(
        1, [(1, "tanh")] * 12, loss="squared_error", values=GIVEN["chain_of_12"]
    ),
    "deep_softmax": lambda: sb.Network(
        4,
        [(4, "softmax"), (4, "sigmoid"), (2, "softmax")],
        loss="squared_error",
        values=GIVEN["deep_softmax"],
    ),
    "ten_classes": lambda: sb.Network(
        3, [(4, "tanh"), (10, "softmax")], loss="squared_error", values=GIVEN["ten_classes"]
    ),
    "two_hidden": lambda: sb.Network(
        2,
        [(3, "silu"), (3, "sigmoid"), (3, "softmax")],
        loss="cross_entropy",
        values=GIVEN["two_hidden"],
    ),
    "huber_mean": lambda: sb.Network(
        2,
        [(3, "sigmoid"), (2, "tanh")],
        loss="huber",
        over_outputs="mean",
        values=GIVEN["huber_mean"],
    ),
    "absolute": lambda: sb.Network(
        2, [(3, "sigmoid"), (2, "linear")], loss="absolute_error", values=GIVEN["absolute"]
    ),
    "elu_gelu_silu_softplus": lambda: sb.Network(
        2,
        [(2, "elu"), (2, "gelu"), (2, "silu"), (2, "softplus")],
        loss="half_squared_error",
        values=GIVEN["elu_gelu_silu_softplus"],
    ),
    "output": lambda: sb.Network(
        2, [(2, "tanh"), (2, "sigmoid")], loss="output", values=GIVEN["output"]
    ),
    "symbolic_batch": lambda: sb.Network(
        "n_0", [("n_1", "tanh"), ("n_2", "softmax")], loss="cross_entropy", over_samples="sum"
    ),
    "branches": lambda: sb.equations(
        {"s": "w*x", "r": "tanh(s) + w**2", "L": "s*r + exp(-w)/2"}, values=GIVEN["branches"]
    ),
}

CASES = [(name, wrt) for name, names in WANTED.items() for wrt in names]


@functools.cache
def page(name: str, wrt: str | None, form: str, detail: str = "normal") -> str:
    """One sheet; without ``wrt`` that of the whole network."""
    if wrt is None:
        return network(name).sheet(form, detail)
    return network(name).derive(wrt).sheet(form, detail)


class _Formulas(HTMLParser):
    """The annotation of every formula, with whether the element of class m displays it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, bool]] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        classes = (dict(attrs).get("class") or "").split()
        if "m" in classes:
            self.found.append(("", "d" in classes))
        self.inside = tag == "annotation"

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            formula, display = self.found[-1]
            self.found[-1] = formula + data, display


def html_formulas(html: str) -> list[tuple[str, bool]]:
    """Each formula that the page's script hands to KaTeX, and whether it is displayed."""
    parser = _Formulas()
    parser.feed(html)
    parser.close()
    return parser.found


def md_formulas(markdown: str) -> list[tuple[str, bool]]:
    """Each formula of a Markdown page: in a block ```math displayed, $`…`$ in a line."""
    shown = re.findall(r"^```math\n(.*?)^```$", markdown, re.DOTALL | re.MULTILINE)
    return [(formula, True) for formula in shown] + [
        (formula, False) for formula in re.findall(r"\$`([^`]+)`\$", markdown)
    ]
