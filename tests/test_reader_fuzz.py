r"""Whatever stands on a page, the checker answers: no exception but a `SymbackError` comes out.

Pages are put together of the signs that formulas are made of, and by small changes of good lines;
`benchmarks/reader_fuzz.py` does the same for hours, guided by coverage.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import symback as sb
from symback.checking import Verdict
from symback.checking import report as showing

LINES = [
    case["text"]
    for case in json.loads((Path(__file__).parent / "cases" / "lines.json").read_text("utf-8"))
]
NETS = [
    sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy"),
    sb.Network("n_0", [("n_1", "relu"), ("n_2", "linear")], loss="half_squared_error"),
    sb.load("examples/s1.toml"),
]
PIECES = [
    *"abehijklmnwxyzABCEJLW0123456789_^{}()[]|+-*/=<>,;.:!&%$#~'\"\\ \n\t",
    *"ŷδσ∂∇Σ·⊙ᵀ⊤≈←≤≠½²₁₂ᵢ′ℓ𝟙⟦⟧…√‖π\u200b\u202e\u0302\x00\x1b",
    *r"""\frac \partial \hat \sum \prod \begin{align} \end{align} \\ \left( \right) \Big| \text{
    \dots \begin{cases} \end{cases} \nabla \newcommand{\x}{ \underbrace \mathbf \odot \top np. .T @
    ** <- := dL/d w_212 h_12 a_21 ∂L/∂ softmax( max(0, if otherwise for i=j where ``` $$""".split(),
]  # fmt: skip


def answers(text: str, net: sb.Network) -> None:
    """The page is judged and can be shown; each line has a verdict and a place on the page."""
    try:
        found = sb.check(text, net)
    except sb.SymbackError:
        return
    assert all(isinstance(line.verdict, Verdict) for line in found.lines)
    assert all(line.line >= 1 and line.column >= 1 for line in found.lines)
    showing.text(found)


@pytest.mark.parametrize("place", range(len(NETS)))
@settings(max_examples=150, deadline=None)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=60))
@example(pieces=["h", "_", "{", "}"])
@example(pieces=["a_21", "=", "\n", "=", "h_12", "-"])
@example(pieces=["$", "\\", "f"])
def test_a_page_of_signs_is_answered(place, pieces):
    answers("".join(pieces), NETS[place])


@pytest.mark.parametrize("place", range(len(NETS)))
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_changed_line_is_answered(place, data):
    """A good line with pieces taken out, put in or doubled."""
    text = data.draw(st.sampled_from(LINES))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 4)))
        put = data.draw(
            st.one_of(st.just(""), st.sampled_from(PIECES), st.just(text[start:end] * 2))
        )
        text = text[:start] + put + text[end:]
    answers(text, NETS[place])


@pytest.mark.parametrize("place", range(len(NETS)))
@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=200))
def test_any_text_is_answered(place, text):
    answers(text, NETS[place])
