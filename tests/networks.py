"""The pages of the docs on kinds of networks: how to make them anew.

``python tests/networks.py`` writes ``docs/networks/KIND.md`` and its picture, as symback prints
them, for the networks of `tests.systems`; `tests/test_equation_sheets.py` holds them fresh.
"""

import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from symback.network import EquationNetwork  # noqa: E402
from symback.sheets import rendering, systems  # noqa: E402
from tests.systems import FILES, system  # noqa: E402

FOLDER = ROOT / "docs" / "networks"
TITLES = {
    "rnn": "A recurrent network",
    "lstm": "A long short-term memory (LSTM)",
    "gru": "A gated recurrent unit (GRU)",
    "conv1d": "A convolution with padding and stride",
    "max_pool": "Max pooling",
    "layer_norm_inside": "Layer norm, inside a network",
    "batch_norm": "Batch norm",
    "attention": "Causal attention",
    "embedding": "An embedding, softmax and cross-entropy",
}


def pages() -> dict[str, str]:
    """Every file of the folder by its name."""
    found = {"README.md": contents()}
    for kind, title in TITLES.items():
        net = EquationNetwork(replace(system(kind), title=title))
        page = systems.overview(net)
        picture = f"{kind}.svg" if page.has_figure else ""
        if picture:
            found[picture] = rendering.render_figure(page.figure, "svg")
        sheet = rendering.render(page, "md", picture).rstrip()
        file = f"## The file\n\n```toml\n{FILES[kind].strip()}\n```\n"
        found[f"{kind}.md"] = f"{sheet}\n\n{file}"
    return found


def contents() -> str:
    """The list of the pages."""
    links = "".join(f"- [{title}]({kind}.md)\n" for kind, title in TITLES.items())
    return (
        "# Networks as equations, kind by kind\n\n"
        "What `symback sheet FILE --format md` prints for small networks of each kind: the\n"
        "equations, the backward pass with a reason for every line, the same over whole arrays,\n"
        "and numbers. The file stands at the end of each page.\n\n" + links
    )


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, content in pages().items():
        (FOLDER / name).write_text(content, encoding="utf-8")
