"""``docs/architecture.md`` says what is so: its picture is fresh, and what it names exists."""

import ast
import re

import pytest

import house
import test_recipes

PAGE = (house.ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(\w+/\w+\.py)(?:: (\w+))?`", PAGE)))


def test_the_picture_is_fresh():
    """Files, their purposes and who imports whom; else run ``python tests/house.py``."""
    assert house.PICTURE.read_text(encoding="utf-8") == house.picture()


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_what_the_page_names_is_there(file, name):
    """Every file, and every definition that is named with one."""
    path = house.PACKAGE / file if (house.PACKAGE / file).exists() else house.ROOT / file
    names = {getattr(node, "name", "") for node in ast.parse(path.read_text()).body}
    assert not name or name in names


def test_each_recipe_has_its_test():
    """The tests that the recipes name are there, and five recipes are told."""
    told = re.findall(r"^→ (?:`(\w+)`|the same test)$", PAGE, re.MULTILINE)
    assert len(told) == len(re.findall(r"^\*\*Add an? [\w ]+\.\*\*", PAGE, re.MULTILINE)) == 5
    assert all(hasattr(test_recipes, name) for name in told if name)


def test_the_house_has_seven_floors():
    """An eighth is a decision, and so is a room that `docs/architecture.md` does not draw."""
    floors = house.floors(house.arrows(house.rooms()))
    assert floors["language"] == 1
    assert set(floors) <= {
        *("language", "engine", "equations", "kernels", "sheets", "checking", "learning"),
        *("network.py", "cli.py"),
    }
    assert max(floors.values()) == 7
