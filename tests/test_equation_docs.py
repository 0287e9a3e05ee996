"""The page on files of equations: its files are valid, its words are those of the reader.

Its Python runs under Sybil.
"""

import re
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from symback.equations.formulas import BINDERS
from symback.equations.functions import is_pointwise
from symback.equations.reading import TOP_KEYS, from_tables
from symback.language.functions import ACTIVATIONS, ELEMENTARY

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "equations.md").read_text("utf-8")
FILES = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize("text", FILES)
def test_every_file_of_the_page_is_valid(text):
    """Read with its numbers."""
    found = from_tables(tomllib.loads(text, parse_float=Decimal), "page.toml")
    assert found.target == "L"


def test_nothing_is_left_out():
    """Every table, binder and function is named."""
    assert len(FILES) >= 3
    for key in TOP_KEYS:
        assert re.search(rf"`\[{key}\]`|`{key}`|`{key} = ", PAGE), key
    for binder in BINDERS:
        assert f"`{binder}(" in PAGE, binder
    names = [name for name in (*ELEMENTARY, *ACTIVATIONS) if is_pointwise(name)]
    for name in names:
        assert name == "linear" or re.search(rf"\b{name}\b", PAGE), name
