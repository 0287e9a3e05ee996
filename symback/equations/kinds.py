"""The kinds of layers, one record a kind: `KINDS`, and `BLOCK`, which is several layers.

A kind's `Kind.write` is the function that writes its equations; the rest of the record is what
`symback.equations.layers` checks a table against and what ``docs/layers.md`` prints.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from symback.equations import macros
from symback.equations.expansion import Part
from symback.equations.macros import EPSILON
from symback.equations.spots import Spot


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a layer's table: what it means and what it is where it is left out."""

    name: str
    meaning: str
    default: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of layer.

    ``letters`` are its parameters, (letter, shape, meaning); each is a key too, which calls the
    parameter otherwise: the same name twice is one parameter.  ``example`` is a table, on an input
    ``inputs``, that the documents expand.
    """

    name: str
    write: Callable[[Spot], Part]
    says: str
    reads: str
    keys: tuple[Key, ...] = ()
    letters: tuple[tuple[str, str, str], ...] = ()
    source: str = ""
    inputs: str = '["T", "d"]'
    example: str = ""
    network: str = ""

    @property
    def known(self) -> tuple[str, ...]:
        """All keys of its table."""
        weights = ("l2",) if self.letters else ()
        own = (*(key.name for key in self.keys), *(name for name, _, _ in self.letters))
        return ("kind", "name", *own, *weights)


_UNITS = Key("units", "how many neurons")
_BIAS = Key("bias", "per_neuron, per_layer (one number) or none", "that of [network], per_neuron")
_TANH = Key("activation", "in place of tanh, any function of one number", "tanh")
_START = Key("start", "the state before step 1: zero, given (an input) or trained", "zero")
_EPS = Key("eps", "what is added beneath the root, a number in the equation", f"{EPSILON:f}")
_AFFINE = Key("affine", "whether gamma and beta are there", "true")
_LINEAR = Key("activation", "any function of one number", "linear")
_STRIDE = Key("stride", "how far the window goes each time", "1")
_PADDING = Key("padding", 'zeros at both ends, or "same"', "0")
_WINDOW = Key("window", "how many, or two numbers for rows and columns")
_POOL_STRIDE = Key("stride", "how far the window goes each time", "window")


def _gates(gates: str) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        row
        for g in gates
        for row in (
            (f"W{g}", "[n, d]", f"from the input to {g}"),
            (f"U{g}", "[n, n]", f"from the state to {g}"),
            (f"b{g}", "[n]", f"bias of {g}"),
        )
    )


_KINDS = (
    Kind(
        "dense", macros.dense,
        "Every neuron reads all of the layer before; at each step where that is a "
        "sequence.", "a vector or a sequence",
        (_UNITS, Key("activation", "any of the catalogue or the file's own"), _BIAS),
        (("W", "[n, d]", "weights, into neuron i from neuron j"), ("b", "[n]", "bias")),
        "", '"d"', '{ units = "n", activation = "tanh" }',
    ),
    Kind(
        "activation", macros.activation,
        "A function by itself, where it stands apart from its layer.",
        "anything", (Key("activation", "any of the catalogue or the file's own"),),
        example='{ kind = "activation", activation = "relu" }',
    ),
    Kind(
        "rnn", macros.rnn, "A recurrent layer: each step reads the state before it.", "a sequence",
        (_UNITS, _TANH, _START, _BIAS), (
            ("W", "[n, d]", "from the input"), ("U", "[n, n]", "from the state"),
            ("b", "[n]", "bias"),
        ),
        "Elman 1990", example='{ kind = "rnn", units = "n" }',
    ),
    Kind(
        "lstm", macros.lstm, "Long short-term memory: input gate i, forget gate f, output gate o, "
        "candidate g, cell c.", "a sequence",
        (_UNITS, _TANH, _START, _BIAS), _gates("ifog"),
        "Hochreiter and Schmidhuber 1997; the forget gate: Gers, Schmidhuber and Cummins 2000",
        example='{ kind = "lstm", units = "n" }',
    ),
    Kind(
        "gru", macros.gru, "Gated recurrent unit: update gate z, reset gate r, candidate g.  "
        'reset = "before" multiplies the state before U reads it, as in the paper; "after" '
        "multiplies what U made of it, as cuDNN and PyTorch do.", "a sequence",
        (_UNITS, Key("reset", "before or after", "before"), _TANH, _START, _BIAS),
        (*_gates("zrg"), ("bu", "[n]", 'bias beside Ug, where reset = "after"')),
        "Cho et al. 2014 (arXiv 1406.1078), equations 5 to 8",
        example='{ kind = "gru", units = "n" }',
    ),
    Kind(
        "last", macros.last, "The last step of a sequence.", "a sequence",
        example='{ kind = "last" }',
    ),
    Kind(
        "layer_norm", macros.layer_norm,
        "Each position less its mean over the features, over their "
        "standard deviation (biased).", "a vector or a sequence", (_EPS, _AFFINE),
        (("gamma", "[d]", "scale"), ("beta", "[d]", "shift")),
        "Ba, Kiros and Hinton 2016", example='{ kind = "layer_norm" }',
    ),
    Kind(
        "rms_norm", macros.rms_norm, "Each position over the root of the mean of its squares.",
        "a vector or a sequence", (_EPS, _AFFINE), (("gamma", "[d]", "scale"),),
        "Zhang and Sennrich 2019", example='{ kind = "rms_norm" }',
    ),
    Kind(
        "batch_norm", macros.batch_norm,
        "Each feature (of an image each channel) less its mean over all "
        "samples and positions, over their standard deviation (biased), as while training.",
        "anything, of samples", (_EPS, _AFFINE),
        (("gamma", "[d]", "scale"), ("beta", "[d]", "shift")),
        "Ioffe and Szegedy 2015", '"d"', '{ kind = "batch_norm" }', 'samples = "B"\n',
    ),
    Kind(
        "conv1d", macros.conv1d,
        "A window goes along the steps of a sequence (cross-correlation, as "
        "everywhere in deep learning).", "a sequence",
        (Key("channels", "how many come out"), Key("kernel", "the length of the window"), _STRIDE,
         _PADDING, _LINEAR, _BIAS),
        (("K", "[n, d, k]", "kernel: channel i, channel j that comes in, place u"),
         ("b", "[n]", "bias")),
        "Waibel et al. 1989",
        example='{ kind = "conv1d", channels = "n", kernel = 3, padding = 1, activation = "relu" }',
    ),
    Kind(
        "conv2d", macros.conv2d,
        "A window goes over the rows and columns of an image (cross-correlation).",
        "an image [channels, rows, columns]",
        (Key("channels", "how many come out"), Key("kernel", "one size or [rows, columns]"),
         _STRIDE, _PADDING, _LINEAR, _BIAS),
        (("K", "[n, d, k, k]", "kernel: channel o, channel q that comes in, row u, column v"),
         ("b", "[n]", "bias")),
        "LeCun et al. 1989", '["n", "R", "C"]',
        '{ kind = "conv2d", channels = "m", kernel = 3, activation = "relu" }',
    ),
    Kind(
        "max_pool", macros.max_pool,
        "The largest of each window; its slope goes to the first that is "
        "largest.", "a sequence or an image", (_WINDOW, _POOL_STRIDE),
        inputs='[4, "d"]', example='{ kind = "max_pool", window = 2 }',
    ),
    Kind(
        "avg_pool", macros.avg_pool, "The mean of each window.", "a sequence or an image",
        (_WINDOW, _POOL_STRIDE), inputs='[4, "d"]', example='{ kind = "avg_pool", window = 2 }',
    ),
    Kind(
        "flatten", macros.flatten,
        "One vector, the last index running fastest; its place in the image is "
        "the condition of the sum, which leaves one element.",
        "a sequence or an image, of known sizes but for the first",
        inputs="[2, 3, 3]", example='{ kind = "flatten" }',
    ),
    Kind(
        "embedding", macros.embedding,
        "The row of each token, and with positions a row for each place "
        "(trained, as in GPT-2).", "tokens",
        (_UNITS, Key("positions", "whether P is added", "false")),
        (("E", "[V, n]", "a row for each token"), ("P", "[T, n]", "a row for each position")),
        "Bengio et al. 2003", '{ tokens = "T", below = "V" }',
        '{ kind = "embedding", units = "n", positions = true }',
    ),
    Kind(
        "attention", macros.attention,
        "Each position t reads the values of all positions u, or causal of "
        "those up to t, by the softmax of query times key.", "a sequence",
        (Key("heads", "how many", "1"), Key("head_size", "features of a head", "d / heads"),
         Key("causal", "whether later positions are left out", "false"),
         Key("bias", "per_neuron or none", "none")),
        (("WQ", "[p, m, d]", "queries (no p with one head)"), ("WK", "[p, m, d]", "keys"),
         ("WV", "[p, m, d]", "values"), ("WO", "[d, p, m]", "back to d features"),
         ("bQ", "[p, m]", "bias of Q, where there is one"), ("bK", "[p, m]", "bias of K"),
         ("bV", "[p, m]", "bias of V"), ("bO", "[d]", "bias of the output")),
        "Vaswani et al. 2017",
        example='{ kind = "attention", heads = 2, head_size = "m", causal = true }',
    ),
    Kind(
        "residual", macros.residual,
        "What comes in is added to what the inner layers make of it; or, "
        "with from, to the output of an earlier layer.", "anything",
        (Key("layers", "the inner layers"), Key("from", "an earlier layer, 0 for the input")),
        source="He et al. 2016",
        example='{ kind = "residual", layers = [{ units = "d", activation = "tanh" }] }',
        inputs='"d"',
    ),
    Kind(
        "concat", macros.concat, "Earlier outputs side by side along their last index.",
        "vectors, or sequences of equal lengths",
        (Key("from", "at least two earlier layers, 0 for the input"),),
        inputs='"d"', example='{ units = "n", activation = "tanh" }, '
        '{ kind = "concat", from = [0, 1] }',
    ),
    Kind(
        "dropout", macros.dropout,
        "A mask, given as an input, says what is kept; with a rate it is "
        "divided by 1 - rate (inverted dropout).", "anything",
        (Key("rate", "the share that is left out", "the mask holds the scale"),),
        source="Srivastava et al. 2014", inputs='"d"', example='{ kind = "dropout", rate = 0.5 }',
    ),
)  # fmt: skip

KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}

BLOCK = Kind(
    "block", macros.residual, "A transformer block, the norms first: x + attention(norm x), then "
    "x + dense(dense(norm x)); seven layers: norm, attention, residual, norm, dense, dense, "
    "residual.", "a sequence",
    (Key("heads", "as in attention", "1"), Key("head_size", "as in attention", "d / heads"),
     Key("causal", "as in attention", "false"), Key("hidden", "units of the first dense", "4 d"),
     Key("activation", "of the first dense", "gelu, the exact one"),
     Key("norm", "layer_norm or rms_norm", "layer_norm"),
     Key("eps", "of the norms", f"{EPSILON:f}"),
     Key("bias", "of attention and dense", "per_neuron"),
     Key("l2", "of attention and dense", "that of [network]")),
    source="Vaswani et al. 2017; norms first and GELU as in GPT-2 (Radford et al. 2019), which "
    "approximates GELU by a tanh",
    example='{ kind = "block", heads = 2, head_size = "m", causal = true }',
)  # fmt: skip
