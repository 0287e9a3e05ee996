"""What a sheet says is true, complete, and what the lecturer says."""

from __future__ import annotations

import re

import pytest

from pages import CASES, network, numbers_of, page
from readback import Formula, Sheet, Unreadable, given_by

NUMBERED = [
    (name, wrt)
    for name, wrt in CASES
    if name not in ("s6", "wide", "symbolic_batch", "ten_classes")
]


def read(name: str, wrt: str | None, detail: str) -> Sheet:
    forward = page(name, wrt, "txt")
    return Sheet(page(name, wrt, "txt", detail), given_by(numbers_of(name)), forward)


def section(name: str, wrt: str, title: str, detail: str = "normal", form: str = "txt") -> str:
    """The text of one section."""
    text = page(name, wrt, form, detail)
    return re.split(r"\n\d+\. ", text.split(title, 1)[1])[0]


# ------------------------------------------------------------------------- every printed equality


@pytest.mark.parametrize(("name", "wrt"), NUMBERED)
def test_every_printed_equality_holds(name, wrt):
    """Each line of a sheet, read back and computed from its forward equations, is true."""
    for detail in ("brief", "full"):
        sheet = read(name, wrt, detail)
        assert sheet.untrue() == []
        assert sheet.claims() > 2


def test_reading_back_refuses_what_is_wrong():
    """The checker finds a sign, a lost factor, a wrong number, a lost path and a false = or ≈."""
    text, given = page("s5", "w_131", "txt"), given_by(numbers_of("s5"))
    assert Sheet(text, given).untrue() == []
    for right, wrong in [
        ("= -2·(y_i - ŷ_i)", "= 2·(y_i - ŷ_i)"),
        ("∂L/∂h_13 · h_13·(1 - h_13)", "∂L/∂h_13 · h_13"),
        ("≈ 0.08604", "≈ 0.09604"),
        ("            + ∂L/∂ŷ_2 · ∂ŷ_2/∂a_22 · ∂a_22/∂h_13 · ∂h_13/∂a_13 · ∂a_13/∂w_131", "    "),
        ("path 4: a_13 → h_13 → a_22 → ŷ_2, -0.01434", "path 4: a_13 → h_13, 0.01434"),
        ("≈ 0.6682", "= 0.6682"),
        ("∂a_2i/∂h_1j  = w_2ij", "∂a_2i/∂h_1j  = w_2ii"),
        ("ŷ_j·(1[i=j] - ŷ_i)", "ŷ_j·(1 - ŷ_i)"),
    ]:
        assert right in text
        assert Sheet(text.replace(right, wrong), given).untrue(), wrong


@pytest.mark.parametrize("text", ["", "a +", "(a", "a b", "?", "f(a)", "a_1 = "])
def test_reading_back_refuses_what_it_cannot_read(text):
    """No formula is skipped because it could not be read."""
    with pytest.raises(Unreadable):
        Formula(text)


@pytest.mark.parametrize("name", sorted({name for name, _ in NUMBERED}))
def test_numbers_on_the_page_are_those_of_evaluate(name):
    """What is printed as derived is the gradient that `evaluate` gives, to twelve digits."""
    net, wrt = network(name), dict(CASES[::-1])[name]
    derivation = net.derive(wrt)
    shown = re.search(r"^  derived +(\S+)$", page(name, wrt, "txt"), re.MULTILINE)
    if shown:
        assert float(shown[1]) == pytest.approx(derivation.value, rel=1e-10, abs=1e-12)
    elif "central difference" in page(name, wrt, "txt"):
        assert "slope jumps" in page(name, wrt, "txt") or "no central difference" in page(
            name, wrt, "txt"
        )
