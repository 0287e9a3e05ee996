"""Names: each spelling is understood, each ambiguity is refused, and each message teaches."""

import re

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from sympy import Integer, Symbol

from strategies import Case, build, cases, from_lines
from symback.language.algebra import Partial, Product, Sigma, Terms, collapse
from symback.language.names import (
    SAMPLE,
    Role,
    UnknownName,
    Variable,
    element_name,
    elements,
    fresh_index,
    index,
    pack,
    read_reference,
)

SMALL = build(4, [(4, "sigmoid"), (2, "softmax")], "squared_error").graph.variables
WIDE = build(3, [(12, "sigmoid"), (11, "softmax")], "squared_error").graph.variables
x, y, z = sympy.symbols("x y z")


def message(text: str, variables=SMALL) -> str:
    with pytest.raises(UnknownName) as refused:
        read_reference(text, variables)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["w_212", "w212", "W_212", "w_{212}", "w_2,1,2", "w_{2,1,2}", "w_{2, 1, 2}", "w(2,1,2)",
     "w_(2, 1, 2)", "w_2;1;2", "w_2 1 2", " w_212\n"],
)  # fmt: skip
def test_all_spellings_of_a_weight(text):
    """One weight, however it is typed."""
    found = read_reference(text, SMALL)
    assert (found.name, found.indices, found.variable.name) == ("w_212", (1, 2), "W2")


@pytest.mark.parametrize(
    ("text", "name"),
    [("h_21", "yhat_1"), ("h_03", "x_3"), ("h_13", "h_13"), ("ŷ_2", "yhat_2"), ("yhat2", "yhat_2"),
     (r"\hat{y}_1", "yhat_1"), (r"\hat y_{1}", "yhat_1"), ("b_24", None), ("L", "L"),
     ("a_11", "a_11"), ("y_2", "y_2"), ("x4", "x_4")],
)  # fmt: skip
def test_letters_and_their_other_names(text, name):
    """h of the last layer is ŷ, h of layer 0 is x."""
    if name is None:
        assert message(text).startswith("there is no b_24; the network has layers 1 and 2: ")
    else:
        assert read_reference(text, SMALL).name == name


def test_two_readings_are_both_shown_with_a_way_to_write_each():
    """Packed digits that split in two ways are refused; the message's own spellings are read."""
    shown = message("w_2111", WIDE)
    assert shown == (
        "w_2111 can be read in 2 ways: layer 2, into neuron 1 from neuron 11 (write w_2,1,11) or "
        "layer 2, into neuron 11 from neuron 1 (write w_2,11,1)"
    )
    assert [
        read_reference(text, WIDE).indices for text in re.findall(r"w_[\d,]+\d", shown)[1:]
    ] == [
        (1, 11),
        (11, 1),
    ]


def test_sizes_decide_where_they_can():
    """w_1112 has one reading where layer 1 has 12 neurons and 3 inputs; so has w_21111."""
    assert read_reference("w_1112", WIDE).indices == (11, 2)
    assert read_reference("w_21111", WIDE).indices == (11, 11)
    symbolic = build("n_0", [("n_1", "tanh")], "squared_error", sizes={"n_0": 2, "n_1": 2})
    assert "2 ways" in message("w_1112", symbolic.graph.variables)
    assert read_reference("w_1,20,30", symbolic.graph.variables).indices == (20, 30)


def test_what_is_out_of_range_names_layers_and_sizes():
    """A weight of layer 5 in a network of two layers."""
    assert message("w_531") == (
        "there is no w_531; the network has layers 1 and 2: w_1ij with i = 1…4 and j = 1…4; "
        "w_2ij with i = 1…2 and j = 1…4 (into neuron i from neuron j)"
    )
    assert message("h_31") == (
        "there is no h_31; the network has layers 1 and 2: x_j (= h_0j) with j = 1…4; "
        "h_1j with j = 1…4; yhat_i (= h_2i) with i = 1…2"
    )
    assert message("x_5") == "there is no x_5; there is x_j with j = 1…4"


@pytest.mark.parametrize("text", ["W1", "x", "w", "yhat", "b", "a2", "h"])
def test_a_whole_block_is_no_element(text):
    """A name without indices, or of an array, says which elements there are."""
    assert message(text).startswith(f"{text} is no single element; name one: ")


def test_many_layers_are_not_all_listed():
    """A message stays short for a deep network."""
    deep = build(1, [(1, "tanh")] * 40, "squared_error").graph.variables
    shown = message("w_9999", deep)
    assert "layers 1 to 40: w_1ij" in shown
    assert "; …; w_40ij" not in shown
    assert "; …; w_{}".format("40,i,j") in shown
    assert len(shown) < 250


@pytest.mark.parametrize(
    "text",
    ["", "  ", "_", "w_", "w_0", "w_-111", "w_012", "w_2102", "w_1,,2", "b_1,,2", "w" * 5000,
     "w_" + "9" * 5000, "w_1," + "9" * 400 + ",1", "w_{112", "w_112}", "w_112)", "w_1.1.2",
     "∂L/∂w_112",
     "w_٢١٢", "w_²", "w₂₁₂", "\ud800", "\x1b[31m", "q_1", "w_ijk", "W_k", "1", "ŷ", "0", "h"],
)  # fmt: skip
def test_nothing_else_than_unknown_name_is_raised(text):
    """Zeros, minus signs, endless digits, other alphabets, garbage: one printable line."""
    assert message(text).isprintable()
    assert len(message(text)) < 400


@given(st.text(max_size=12) | st.from_regex(r"[wbahxyL]_?\{?[0-9,; ]{0,8}\}?", fullmatch=True))
def test_any_text_is_read_or_refused(text):
    """Whatever is typed: an element whose own name reads back to it, or UnknownName."""
    try:
        found = read_reference(text, WIDE)
    except UnknownName:
        return
    assert read_reference(found.name, WIDE) == found


@given(case=cases(deepest=2, widest=13))
def test_every_element_answers_to_its_name(case: Case):
    """element_name, then read_reference, is the identity, and no two elements share a name."""
    found = [element for variable in case.graph.variables for element in elements(variable)]
    assert [read_reference(element.name, case.graph.variables) for element in found] == found
    assert len({element.name for element in found}) == len(found)


def test_names_of_equations_are_taken_as_they_are():
    """A stage A1 is read as A1 and as it is printed, A_1."""
    case = from_lines({"A1": "x*w_12", "s": "A1+w13", "L": "s**2"}, x=1, w_12=1, w13=3)
    for text, name in [("A1", "A1"), ("A_1", "A1"), ("w_12", "w_12"), ("w_13", "w13"), ("L", "L")]:
        assert read_reference(text, case.graph.variables).name == name
    assert message("A2", case.graph.variables) == (
        "there is no A2 here; there are x, w_12, w13, A1, s, L"
    )


def test_a_shared_bias_has_no_index():
    """With one bias a layer its name is b_1."""
    case = build(2, [(3, "tanh")], "squared_error", bias="per_layer")
    assert read_reference("b_1", case.graph.variables).indices == ()
    assert message("b_11", case.graph.variables) == "there is no b_11; the network has layer 1: b_1"


def test_indices_are_packed_as_one_writes_them():
    """Commas only where an index has two digits or letters."""
    assert (pack((2, 1, 2)), pack((2, 11, 3)), pack(("2", "i", "j"))) == ("212", "2,11,3", "2ij")
    W = Variable("W2", Role.WEIGHT, 2, (Integer(12), Integer(3)))
    assert (element_name(W, (1, 3)), element_name(W, (12, 3))) == ("w_213", "w_2,12,3")


def test_elements_have_as_many_indices_as_the_quantity():
    """One index too many is a mistake of the caller."""
    W = Variable("W2", Role.WEIGHT, 2, (Integer(2), Integer(3)))
    assert str(W.element) == "W_2[i, j]"
    with pytest.raises(ValueError, match="W2 has 2 indices, 1 given"):
        W.at(1)
    assert Variable("x", Role.INPUT, None, (Integer(2), Integer(3)), True).indices[0] == SAMPLE


def test_a_fresh_index_is_none_of_those_in_use():
    """Letters run out; names do not."""
    used: list[Symbol] = []
    for _ in range(15):
        used.append(fresh_index(used))
    assert [letter.name for letter in used[:5]] == ["i", "j", "m", "p", "q"]
    assert len({letter.name for letter in used}) == 15


def test_products_and_sums_keep_their_order():
    """What SymPy would sort, collect and multiply out stays as it was written."""
    assert Product(y, x, y).args == (y, x, y)
    assert Terms(y, x, y).args == (y, x, y)
    assert Terms(z, Terms(y, x)).args == (z, y, x)
    assert (Product(x), Product(), Product(x, Integer(1))) == (x, 1, x)
    assert (Product(x, Integer(0)), Terms(), Terms(x, Integer(0))) == (0, 0, x)


def test_collapsing_keeps_the_value_and_loses_the_order():
    """SymPy's own nodes, with a number left in front of its sum."""
    assert collapse(Terms(Product(y, x), Product(x, y))) == 2 * x * y
    assert str(collapse(Product(Integer(-2), y - x))) == "-2*(-x + y)"
    assert collapse(Product(Integer(2), sympy.Rational(1, 2), x)) == x
    assert not collapse(Product(x, Terms(y, Product(x, z)))).has(Product, Terms)


def test_a_partial_is_a_name():
    """∂L/∂w is never carried out, and knows what is held."""
    L, w, s = sympy.symbols("L w s")
    assert (Partial(L, w).doit(), Partial(L, w).held) == (Partial(L, w), ())
    assert Partial(L, w, s) != Partial(L, w)
    assert Partial(L, w, s).held == (s,)


def test_a_sigma_stays_as_it_was_built():
    """SymPy's Sum would join nested sums and pull cases out in front."""
    i, j = index("i"), index("j")
    a = sympy.IndexedBase("a", real=True)
    cases_inside = Sigma(sympy.Piecewise((a[i], a[i] > 0), (0, True)), (i, 1, 3))
    nested = Sigma(Sigma(a[i] * a[j], (j, 1, 3)), (i, 1, 2))
    assert cases_inside.func is Sigma
    assert isinstance(nested.function, Sigma)
    assert nested.limits == ((i, 1, 2),)
