"""The picture of the house in ``docs/architecture.md``: rooms, floors and arrows, off the imports.

``python tests/house.py`` draws ``docs/architecture.svg`` anew; `tests/test_architecture.py` holds
it fresh.  A room is a folder of ``symback/`` or a file beside them; it stands one floor above all
that it imports, and an arrow leads from it to each.  What stands beside a file's name is the
beginning of its docstring, so a house whose files say what they are for needs no other legend.
"""

from __future__ import annotations

import ast
import graphlib
import textwrap
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "symback"
PICTURE = ROOT / "docs" / "architecture.svg"

WIDTH, MARGIN, GAP, LINE, CHARACTER = 1120, 24, 46, 17, 6.6
COLOURS = {
    "language": "#dff0df", "engine": "#f3dde0", "equations": "#f0e2d6", "kernels": "#f5ecd9",
    "sheets": "#e3ddf0", "checking": "#dbe7f2", "learning": "#d8f0ee",
}  # fmt: skip


def room_of(path: Path) -> str:
    """Name the room of a file: its folder, or itself where it stands beside the folders."""
    return path.relative_to(PACKAGE).parts[0]


def rooms() -> dict[str, list[Path]]:
    """List the files of every room; the package's own front door and `python -m` are no rooms."""
    found: dict[str, list[Path]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name != "__init__.py" and path.name != "__main__.py":
            found.setdefault(room_of(path), []).append(path)
    return found


def arrows(house: dict[str, list[Path]]) -> dict[str, set[str]]:
    """Find the rooms that every room imports from, also inside functions."""
    found: dict[str, set[str]] = {room: set() for room in house}
    for room, files in house.items():
        for path in [*files, *PACKAGE.glob(f"{room}/__init__.py")]:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("symback"):
                    words = node.module.split(".")[1:2] or [alias.name for alias in node.names]
                    found[room] |= {
                        other for other in house for word in words if other in (word, f"{word}.py")
                    }
    return {room: entered - {room} for room, entered in found.items()}


def floors(entered: dict[str, set[str]]) -> dict[str, int]:
    """Put every room on the floor above the highest that it imports from; the ground is 1."""
    found: dict[str, int] = {}
    for room in graphlib.TopologicalSorter(entered).static_order():
        found[room] = 1 + max((found[other] for other in entered[room]), default=0)
    return found


def purpose(path: Path) -> str:
    """Give the first sentence of a file's docstring, without its full stop."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    sentence = " ".join(text.split("\n\n")[0].split()).replace("`", "").replace("*", "")
    for stop in (". ", ": ", "; "):
        sentence = sentence.split(stop)[0]
    return sentence.rstrip(".")


def picture() -> str:
    """Draw the house as SVG."""
    house = rooms()
    entered = arrows(house)
    level = floors(entered)
    top = max(level.values())
    parts: list[str] = []
    places: dict[str, tuple[float, float, float, float]] = {}
    y = float(MARGIN)
    for floor in range(top, 0, -1):
        here = [room for room in house if level[room] == floor]
        weights = [max(len(house[room]), 6) for room in here]
        free = WIDTH - 2 * MARGIN - GAP * (len(here) - 1)
        x, tallest = float(MARGIN), 0.0
        for room, weight in zip(here, weights, strict=True):
            width = free * weight / sum(weights) if len(here) > 1 or len(house[room]) > 1 else 420
            x = x if len(here) > 1 or len(house[room]) > 1 else (WIDTH - width) / 2
            drawn, height = _room(room, house[room], x, y, width)
            places[room] = (x, y, width, height)
            parts += drawn
            x, tallest = x + width + GAP, max(tallest, height)
        y += tallest + GAP
    lines = [
        _arrow(places, level, a, b, k)
        for a in house
        for k, b in enumerate(sorted(entered[a], key=lambda room: (level[room], room)))
    ]
    return "\n".join([_head(y - GAP + MARGIN), *lines, *parts, "</svg>", ""])


def _head(height: float) -> str:
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" \
font-family="Helvetica, Arial, sans-serif" font-size="12" role="img" \
aria-label="The rooms of symback on their floors, and who imports whom">
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" \
orient="auto"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>
<rect width="100%" height="100%" fill="#fff"/>"""


def _room(
    room: str, files: list[Path], x: float, y: float, width: float
) -> tuple[list[str], float]:
    """Draw a room with its files in columns; gives its height too."""
    columns = max(1, min(len(files), int((width - 16) // 250)))
    column = (width - 16) / columns
    cells = []
    for path in files:
        said = textwrap.wrap(purpose(path), int((column - 12) / CHARACTER))
        name = path.name if len(files) > 1 or path.parent != PACKAGE else ""
        cells.append((name, said))
    rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
    text, at = [], y + 44
    for row in rows:
        for k, (name, said) in enumerate(row):
            left = x + 12 + k * column
            shown = [f'<tspan font-weight="bold">{escape(name)}</tspan>'] if name else []
            shown += [escape(line) for line in said]
            text += [
                f'<text x="{left:.0f}" y="{at + LINE * i:.0f}" fill="#333">{line}</text>'
                for i, line in enumerate(shown)
            ]
        at += LINE * max(len(said) + bool(name) for name, said in row) + 6
    title = room if room.endswith(".py") else f"{room}/"
    box = (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{at - y:.0f}" rx="8" '
        f'fill="{COLOURS.get(room, "#f2f2f2")}" stroke="#8894a0"/>'
    )
    name = (
        f'<text x="{x + 12:.0f}" y="{y + 20:.0f}" font-size="15" font-weight="bold">{title}</text>'
    )
    return [box, name, *text], at - y


def _arrow(places: dict, level: dict[str, int], a: str, b: str, k: int) -> str:
    """Draw an arrow from the foot of a room to the head of one below; far ones are pale."""
    (ax, ay, aw, ah), (bx, by, bw, _) = places[a], places[b]
    start = ax + aw / 2 + (k - 1.5) * 34
    end = min(max(start, bx + 20), bx + bw - 20)
    near = level[a] - level[b] == 1
    foot, high, low = ay + ah, ay + ah + GAP * 0.3, ay + ah + GAP * 0.7
    return (
        f'<path d="M{start:.0f} {foot:.0f}C{start:.0f} {low:.0f} {end:.0f} {high:.0f} '
        f'{end:.0f} {low:.0f}L{end:.0f} {by:.0f}" fill="none" '
        f'stroke="{"#444" if near else "#bbb"}" stroke-width="{1.8 if near else 1.2}" '
        f'marker-end="url(#tip)"/>'
    )


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
