"""What a change of the house's walls must not change: everything symback says, as text.

``python tests/frozen.py FOLDER`` writes it, one file a subject, so that two revisions can be laid
side by side with ``diff -r``; ``python tests/frozen.py`` renews the digests that
`test_frozen.py` holds it against.  The subjects: 200 random networks (steps and sum of one
derivative, paths, matrix form, kernel, numbers), the sheets of a few of them, and what the checker
says of all pages in ``cases/``.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import symback as sb

CASES = Path(__file__).parent / "cases"
DIGESTS = CASES / "frozen.json"
HIDDEN = "sigmoid tanh relu leaky_relu elu gelu silu softplus softmax linear swish2 hard".split()
LOSSES = "squared_error half_squared_error absolute_error huber output quartic".split()
LAST = {
    **{loss: ["linear", "sigmoid", "softmax", "tanh", "relu"] for loss in LOSSES},
    "cross_entropy": ["softmax"],
    "binary_cross_entropy": ["sigmoid"],
}
OWN = {
    "swish2": {"formula": "z/(1+exp(-2*z))"},
    "hard": {"formula": "where(z>1,1,where(z<-1,-1,z))"},
}
QUARTIC = {"quartic": {"formula": "(y-yhat)**4", "slope": "-4*(y-yhat)**3"}}


def network(seed: int) -> sb.Network:
    """Build the network of a seed: one to three layers, symbolic widths now and then, a batch."""
    pick = random.Random(f"frozen {seed}")
    loss = pick.choice(["cross_entropy", "binary_cross_entropy", *LOSSES])
    depth = pick.randint(1, 3)
    widths: list[int | str] = [pick.randint(1, 3) for _ in range(depth + 1)]
    if loss in ("cross_entropy", "binary_cross_entropy"):
        widths[-1] = pick.randint(2, 3)
    symbolic = seed % 10 == 0
    if symbolic:
        widths = [f"n_{k}" for k in range(depth)] + widths[-1:]
    names = [pick.choice(HIDDEN) for _ in range(depth - 1)] + [pick.choice(LAST[loss])]
    bias = pick.choice(("per_neuron", "per_neuron", "per_layer", "none"))
    values = None if symbolic else _values(pick, widths, bias, loss)
    return sb.Network(
        widths[0],
        list(zip(widths[1:], names, strict=True)),
        loss=loss,
        bias=bias,
        over_outputs=pick.choice(("sum", "mean")),
        over_samples=pick.choice(("sum", "mean")),
        values=values,
        activations={name: OWN[name] for name in names if name in OWN} or None,
        losses=QUARTIC if loss == "quartic" else None,
    )


def _values(pick: random.Random, widths: list, bias: str, loss: str) -> dict:
    def row(size: int) -> list[float]:
        return [pick.choice((-1, 1)) * pick.randrange(101, 999) / 1000 for _ in range(size)]

    def target() -> list[float]:
        first = pick.randrange(1, 9) / 10
        return [first, round(1 - first, 1), *[0.0] * (widths[-1] - 2)][: widths[-1]]

    samples = pick.choice((None, None, 2))
    given: dict = {"x": [row(widths[0]) for _ in range(samples)] if samples else row(widths[0])}
    if loss != "output":
        given["y"] = [target() for _ in range(samples)] if samples else target()
    for k in range(1, len(widths)):
        given[f"W{k}"] = [row(widths[k - 1]) for _ in range(widths[k])]
        if bias == "per_neuron":
            given[f"b{k}"] = row(widths[k])
        elif bias == "per_layer":
            given[f"b{k}"] = row(1)[0]
    return given


def of_network(seed: int) -> str:
    """Say all that is derived, written and computed of a random network."""
    net = network(seed)
    derivation = net.derive("w_111")
    said = [str(derivation), derivation.latex(), json.dumps(derivation.as_json(), sort_keys=True)]
    said += [f"{name}: {form}" for name, form in sorted(net.matrix_form().items(), key=str)]
    said += [net.kernel_source()]
    if seed % 10:
        said += [json.dumps(_rounded(net.evaluate()), sort_keys=True)]
    if seed % 20 == 3:
        said += [derivation.sheet(form, stable=True) for form in ("tex", "md", "txt", "html")]
    return "\n\n".join(said)


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return float(f"{value:.12e}") if isinstance(value, float) else value


@cache
def nets() -> dict[str, sb.Network]:
    """Load the networks that the cases are about."""
    return {path.stem: sb.load(path) for path in sorted((CASES / "nets").glob("*.toml"))}


def of_page(case: dict) -> str:
    """Say what the checker says of a page: all but the names of mistakes."""
    text = case.get("text") or (CASES / "pages" / case["page"]).read_text(encoding="utf-8")
    report = sb.check(text, nets()[case["net"]], wrt=case["wrt"], notation=case["notation"])
    said = report.as_data()
    for line in said["lines"]:  # which names fit is held by test_checked.py and test_diagnosis.py;
        line.pop("diagnosis", None)  # where several do, a run's secret primes may decide
    return json.dumps(said, indent=1, sort_keys=True)


def subjects() -> Iterator[tuple[str, str]]:
    """Go through all subjects, each with its text."""
    for seed in range(200):
        yield f"network {seed:03d}", of_network(seed)
    for case in json.loads((CASES / "checked.json").read_text(encoding="utf-8")):
        yield f"page {case['id']}", of_page(case)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


if __name__ == "__main__":
    if sys.argv[1:]:
        folder = Path(sys.argv[1])
        folder.mkdir(parents=True, exist_ok=True)
        for subject, text in subjects():
            (folder / subject.replace(" ", "_")).write_text(text, encoding="utf-8")
    else:
        digests = {subject: digest(text) for subject, text in subjects()}
        DIGESTS.write_text(json.dumps(digests, indent=0) + "\n", encoding="utf-8")
