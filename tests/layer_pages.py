"""What ``docs/layers.md`` shows of each kind of layer, from what is implemented.

``python tests/layer_pages.py`` makes the page anew; a test compares it with what stands there.
"""

import re
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from symback.equations import layers
from symback.equations.expansion import Expansion, Part, written
from symback.equations.kinds import BLOCK, KINDS, Kind

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "layers.md"
SECTION = re.compile(r"<!-- (\w+) -->\n(?:.*?)<!-- end -->", re.DOTALL)
EXAMPLE = "examples/rnn.toml"


def expanded(text: str) -> Expansion:
    """What a file stands for."""
    return layers.expand(tomllib.loads(text, parse_float=Decimal), "net.toml")


def network(kind: Kind) -> str:
    """The file that shows a kind."""
    return (
        f"[network]\ninputs = {kind.inputs}\nlayers = [{kind.example}]\n"
        f'loss = "squared_error"\n{kind.network}'
    )


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    """A table of Markdown."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def shapes(made: Expansion, part: Part) -> Iterator[str]:
    """The arrays that a layer brings with them."""
    whole = {each.name: each.shape for each in made.inputs}
    for each in (*part.parameters, *part.inputs):
        size = ", ".join(map(written, whole.get(each.name, each.shape)))
        yield f"{each.name}: {'a scalar' if not size else f'[{size}]'}"
    for letter, size in part.ranges:
        yield f"{letter} from 1 to {written(size)}"
    yield from (f"{name} is 0 outside" for name in part.pad)


def kind_section(kind: Kind) -> Iterator[str]:
    """One kind: what it is, its keys, its letters, and what it writes."""
    yield f"### {kind.name}\n"
    yield kind.says + (f"  ({kind.source}.)" if kind.source else "") + "\n"
    yield f"It reads {kind.reads}.\n"
    rows = [(f"`{key.name}`", key.meaning, key.default or "needed") for key in kind.keys]
    if kind.name == "residual":
        rows = [(*row[:2], "one of the two") for row in rows]
    if rows:
        yield from table(("key", "meaning", "if left out"), rows)
        yield ""
    if kind.letters:
        letters = [(f"`{name}`", f"`{shape}`", meaning) for name, shape, meaning in kind.letters]
        yield from table(("parameter", "shape", "meaning"), letters)
        yield ""
    made = expanded(network(kind))
    yield f"```toml\n{network(kind)}```\n"
    yield "```text"
    for part in made.parts[:-1]:
        yield f"# {part.title}"
        if brought := "; ".join(shapes(made, part)):
            yield f"# {brought}"
        yield from (f"{left} = {right}" for left, right in part.lines)
    yield "```\n"


def of_kinds() -> str:
    """All kinds."""
    return "\n".join(line for kind in (*KINDS.values(), BLOCK) for line in kind_section(kind))


def of_keys() -> str:
    """The keys of [network], from the docstring of the module that reads them."""
    text = (layers.__doc__ or "").split("=" * 19 + " " + "=" * 80 + "\n")[1]
    rows: list[tuple[str, str]] = []
    for line in text.splitlines():
        name, meaning = line[:20].strip(), line[20:].strip()
        if name:
            rows.append((f"`{name}`", meaning))
        else:
            rows[-1] = (rows[-1][0], f"{rows[-1][1]} {meaning}")
    plain = [(name, meaning.replace("``", "`")) for name, meaning in rows]
    plain = [(n, re.sub(r"\(`symback.equations.kinds`\)", "(below)", m)) for n, m in plain]
    return "\n".join(table(("key", "meaning"), plain)) + "\n"


def of_example() -> str:
    """A file of six lines and what it expands to."""
    text = (ROOT / EXAMPLE).read_text("utf-8")
    short = text[text.index("[network]") : text.index("[values]")].rstrip()
    printed = expanded(text).text()
    return (
        f"```toml\n{short}\n```\n\n```console\n$ symback expand {EXAMPLE}\n"
        f"{printed[: printed.index('[values]')].rstrip()}\n…\n```\n"
    )


def renewed(text: str) -> str:
    """The page with every section made anew."""
    made = {"kinds": of_kinds, "keys": of_keys, "example": of_example}
    return SECTION.sub(lambda m: f"<!-- {m[1]} -->\n{made[m[1]]()}<!-- end -->", text)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text("utf-8")), "utf-8")
