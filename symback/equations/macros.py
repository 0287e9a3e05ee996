"""What each kind of layer writes: a function from a `Spot` to a `Part`.

Layer number k calls its arrays by letters with its number: W1, b1, a1, h1.  What it gives on is
always called h, or yhat where the last layer is dense or an activation.  Indices: s a sample, t and
u positions, i a feature, j one of the layer before, p a head, q a feature within it (or a channel
that comes in), o a channel, r and c row and column, u and v places within a window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from symback.equations.expansion import Array, Parameter, Part, written
from symback.equations.indices import Affine, letter, number
from symback.equations.spots import AXES, Spot, applied, element
from symback.equations.system import KnownSum
from symback.language.functions import Activation, SoftMax
from symback.language.tables import exact_number, is_list, whole

EPSILON = Decimal("0.00001")

# --------------------------------------------------------------------------------- layer by layer


def dense(spot: Spot) -> Part:
    """a = W h + b at each position, h = g(a)."""
    *lead, width = spot.reads(1, 2)
    ahead = AXES[len(lead) + 1][:-1]
    units, g = spot.size("units", "n"), spot.activation(None)
    W, a = spot.shared("W"), spot.own("a")
    bias, biases = spot.biased("b", "i", units)
    total = f"sum(j, {W}[i,j]*{spot.at(spot.before.name, *ahead, 'j')})"
    of_a = spot.at(a, *ahead, "i")
    return Part(
        f"{g.name}, {_many(units, spot)} units",
        Array(spot.result, (*lead, units)),
        ((of_a, total + bias), (spot.at(spot.result, *ahead, "i"), applied(g, of_a, "i"))),
        (Parameter(W, (units, width)), *biases),
        facts=_rows_of(g, spot.result),
    )


def _many(size: Affine, spot: Spot) -> str:
    n = spot.sizes.value(size)
    return written(size) if n is None else str(n)


def _rows_of(g: Activation | SoftMax, name: str) -> tuple[KnownSum, ...]:
    """What is known of a softmax's outputs."""
    return tuple(KnownSum(name, Fraction(fact.total), fact.because) for fact in g.facts)


def activation(spot: Spot) -> Part:
    """h = g(h) of the layer before, element by element; softmax over the last index."""
    shape = spot.reads(1, 2, 3)
    axes = AXES[len(shape)]
    g = spot.activation(None)
    if isinstance(g, SoftMax) and len(shape) == 3:
        spot.fail("softmax reads a vector or a sequence, and this is an image; flatten it first")
    argument = spot.at(spot.before.name, *axes)
    line = (spot.at(spot.result, *axes), applied(g, argument, axes[-1]))
    return Part(g.name, Array(spot.result, shape), (line,), facts=_rows_of(g, spot.result))


# ------------------------------------------------------------------------------------ recurrences


def rnn(spot: Spot) -> Part:
    """a[t] = W x[t] + U h[t-1] + b, h[t] = g(a[t])."""
    T, width = spot.reads(2)
    units, g = spot.size("units", "n"), spot.pointwise("activation", "tanh")
    a, h = spot.own("a"), spot.own("h")
    right, parameters = _gate(spot, "", units, width)
    start = _start(spot, h, units)
    lines = (
        (spot.at(a, "t", "i"), right),
        start.line,
        (spot.at(h, "t", "i"), applied(g, spot.at(a, "t", "i"), "i")),
    )
    title = f"{_many(units, spot)} units, {g.name}"
    return Part(
        title,
        Array(h, (T, units), is_recurrent=True),
        lines,
        (*parameters, *start.parameters),
        start.inputs,
    )


def _gate(
    spot: Spot, gate: str, units: Affine, width: Affine, recurrent: str = ""
) -> tuple[str, list[Parameter]]:
    """W x[t] + U h[t-1] + b of one gate, and its parameters; ``recurrent`` is another last sum."""
    W, U = spot.shared(f"W{gate}"), spot.shared(f"U{gate}")
    bias, biases = spot.biased(f"b{gate}", "i", units)
    before = spot.at(spot.own("h"), "t-1", "j")
    come_in = f"sum(j, {W}[i,j]*{spot.at(spot.before.name, 't', 'j')})"
    again = recurrent or f"sum(j, {U}[i,j]*{before})"
    weights = [Parameter(W, (units, width)), Parameter(U, (units, units))]
    return f"{come_in} + {again}{bias}", weights + biases


@dataclass(frozen=True, slots=True)
class _Start:
    """The base case of a recurrence."""

    line: tuple[str, str]
    parameters: tuple[Parameter, ...] = ()
    inputs: tuple[Array, ...] = ()


def _start(spot: Spot, state: str, units: Affine) -> _Start:
    """What a state is before the first step: zero, given as an input, or trained."""
    left, name = spot.at(state, "0", "i"), f"{state}_start"
    match spot.word("start", ("zero", "given", "trained")):
        case "given":
            return _Start((left, spot.at(name, "i")), inputs=(Array(name, (units,)),))
        case "trained":
            trained = Parameter(name, (units,), is_weight=False)
            return _Start((left, element(name, "i")), (trained,))
    return _Start((left, "0"))


def lstm(spot: Spot) -> Part:
    """The long short-term memory with a forget gate."""
    T, width = spot.reads(2)
    units = spot.size("units", "n")
    g = spot.pointwise("activation", "tanh")
    c, h = spot.own("c"), spot.own("h")
    lines: list[tuple[str, str]] = []
    parameters: list[Parameter] = []
    gates = {"i": "sigmoid", "f": "sigmoid", "o": "sigmoid", "g": ""}
    for gate in gates:
        right, own = _gate(spot, gate, units, width)
        lines.append((spot.at(spot.own(f"a{gate}"), "t", "i"), right))
        parameters += own
    at = {name: spot.at(spot.own(name), "t", "i") for name in ("i", "f", "o", "g", "c", "h")}
    for gate, function in gates.items():
        argument = spot.at(spot.own(f"a{gate}"), "t", "i")
        lines.append(
            (at[gate], f"{function}({argument})" if function else applied(g, argument, "i"))
        )
    starts = _start(spot, c, units), _start(spot, h, units)
    earlier = spot.at(c, "t-1", "i")
    lines += [
        starts[0].line,
        (at["c"], f"{at['f']}*{earlier} + {at['i']}*{at['g']}"),
        starts[1].line,
        (at["h"], f"{at['o']}*{applied(g, at['c'], 'i')}"),
    ]
    parameters += [each for start in starts for each in start.parameters]
    inputs = tuple(each for start in starts for each in start.inputs)
    title = f"{_many(units, spot)} units; gates i, f, o, candidate g, cell c"
    return Part(
        title, Array(h, (T, units), is_recurrent=True), tuple(lines), tuple(parameters), inputs
    )


def gru(spot: Spot) -> Part:
    """The gated recurrent unit: update gate z, reset gate r, candidate g."""
    T, width = spot.reads(2)
    units = spot.size("units", "n")
    g = spot.pointwise("activation", "tanh")
    h = spot.own("h")
    at = {name: spot.at(spot.own(name), "t", "i") for name in ("z", "r", "g", "h")}
    pre = {name: spot.at(spot.own(f"a{name}"), "t", "i") for name in ("z", "r", "g")}
    (of_z, for_z), (of_r, for_r) = (_gate(spot, gate, units, width) for gate in ("z", "r"))
    lines = [(pre["z"], of_z), (pre["r"], of_r)]
    lines += [(at["z"], f"sigmoid({pre['z']})"), (at["r"], f"sigmoid({pre['r']})")]
    reset, earlier = spot.at(spot.own("r"), "t", "j"), spot.at(h, "t-1", "j")
    U = spot.shared("Ug")
    is_before = spot.word("reset", ("before", "after")) == "before"
    extra, biases = ("", []) if is_before else spot.biased("bu", "i", units)
    if is_before:
        again = f"sum(j, {U}[i,j]*{reset}*{earlier})"
    else:
        again = f"{at['r']}*(sum(j, {U}[i,j]*{earlier}){extra})"
    of_g, for_g = _gate(spot, "g", units, width, again)
    start = _start(spot, h, units)
    lines += [
        (pre["g"], of_g),
        (at["g"], applied(g, pre["g"], "i")),
        start.line,
        (at["h"], f"{at['z']}*{spot.at(h, 't-1', 'i')} + (1 - {at['z']})*{at['g']}"),
    ]
    title = f"{_many(units, spot)} units; update gate z, reset gate r, candidate g"
    parameters = (*for_z, *for_r, *for_g, *biases, *start.parameters)
    return Part(
        title, Array(h, (T, units), is_recurrent=True), tuple(lines), parameters, start.inputs
    )


def last(spot: Spot) -> Part:
    """h = the last step of a sequence."""
    T, width = spot.reads(2)
    h = spot.own("h")
    line = (spot.at(h, "i"), spot.at(spot.before.name, written(T), "i"))
    return Part("the last step", Array(h, (width,)), (line,))


# ------------------------------------------------------------------------------------------ norms


def layer_norm(spot: Spot) -> Part:
    """Each position less its mean, over its standard deviation."""
    *lead, width = spot.reads(1, 2)
    ahead = AXES[len(lead) + 1][:-1]
    x = spot.at(spot.before.name, *ahead, "i")
    mu, v, sd = (spot.at(spot.own(name), *ahead) for name in ("mu", "v", "sd"))
    xhat = spot.own("xhat")
    lines = [
        (mu, f"mean(i, {x})"),
        (v, f"mean(i, ({x} - {mu})**2)"),
        (sd, f"sqrt({v} + {spot.small('eps', EPSILON)})"),
        (spot.at(xhat, *ahead, "i"), f"({x} - {mu})/{sd}"),
    ]
    line, parameters = _scaled(spot, xhat, (*ahead, "i"), "i", width)
    fact = KnownSum(xhat, Fraction(0), "what is left of numbers less their mean sums to zero")
    output = Array(spot.own("h"), (*lead, width))
    return Part("over the features", output, (*lines, line), parameters, facts=(fact,))


def _scaled(
    spot: Spot, xhat: str, axes: Sequence[str], feature: str, width: Affine, shift: bool = True
) -> tuple[tuple[str, str], tuple[Parameter, ...]]:
    """h = γ x̂ + β, or h = x̂ where ``affine`` is false."""
    left, right = spot.at(spot.own("h"), *axes), spot.at(xhat, *axes)
    if not spot.says("affine", default=True):
        return (left, right), ()
    gamma = spot.shared("gamma")
    right = f"{gamma}[{feature}]*{right}"
    parameters = [Parameter(gamma, (width,), is_weight=False)]
    if shift:
        beta = spot.shared("beta")
        right += f" + {beta}[{feature}]"
        parameters.append(Parameter(beta, (width,), is_weight=False))
    return (left, right), tuple(parameters)


def rms_norm(spot: Spot) -> Part:
    """Each position over the root of the mean of its squares."""
    *lead, width = spot.reads(1, 2)
    ahead = AXES[len(lead) + 1][:-1]
    x = spot.at(spot.before.name, *ahead, "i")
    rms, xhat = spot.at(spot.own("rms"), *ahead), spot.own("xhat")
    lines = [
        (rms, f"sqrt(mean(i, {x}**2) + {spot.small('eps', EPSILON)})"),
        (spot.at(xhat, *ahead, "i"), f"{x}/{rms}"),
    ]
    line, parameters = _scaled(spot, xhat, (*ahead, "i"), "i", width, shift=False)
    return Part(
        "over the features", Array(spot.own("h"), (*lead, width)), (*lines, line), parameters
    )


def batch_norm(spot: Spot) -> Part:
    """Each feature less its mean over all samples (and positions), over its deviation."""
    shape = spot.reads(1, 2, 3)
    if not spot.has_samples:
        spot.fail(
            'its means are over samples; write samples = "B" in [network], or rows in [values]'
        )
    axes = AXES[len(shape)]
    feature, width = (axes[0], shape[0]) if len(shape) == 3 else (axes[-1], shape[-1])
    x = spot.at(spot.before.name, *axes)
    mu, v, sd = (element(spot.own(name), feature) for name in ("mu", "v", "sd"))
    xhat = spot.own("xhat")

    def over_all(body: str) -> str:
        for each in (*reversed([axis for axis in axes if axis != feature]), "s"):
            body = f"mean({each}, {body})"
        return body

    lines = [
        (mu, over_all(x)),
        (v, over_all(f"({x} - {mu})**2")),
        (sd, f"sqrt({v} + {spot.small('eps', EPSILON)})"),
        (spot.at(xhat, *axes), f"({x} - {mu})/{sd}"),
    ]
    line, parameters = _scaled(spot, xhat, axes, feature, width)
    return Part("over the samples", Array(spot.own("h"), shape), (*lines, line), parameters)


# -------------------------------------------------------------------------- windows: convolution


@dataclass(frozen=True, slots=True)
class _Window:
    """How a window goes along one axis: the letter of its position and that within it."""

    position: str
    inside: str
    length: Affine
    stride: int
    padding: int
    count: Affine  # of positions

    @property
    def index(self) -> str:
        """Where it reads: stride·(position - 1) + inside - padding."""
        place = letter(self.position).times(self.stride) + letter(self.inside)
        return written(place - number(self.stride + self.padding))


def _window(
    spot: Spot, axis: int, letters: str, names: str, kernel: int | Affine, stride: int, padding: int
) -> _Window:
    """A window along an axis of what comes in; ``names`` is the size that counts its positions."""
    size = spot.before.shape[axis]
    length = number(kernel) if isinstance(kernel, int) else kernel
    n, width = spot.sizes.value(size), spot.sizes.value(length)
    position, inside = spot.own(letters[0]), letters[1]
    if n is not None and width is not None:
        positions = (n + 2 * padding - width) // stride + 1
        if positions < 1:
            around = f" and padding {padding}" if padding else ""
            spot.fail(f"a window of {width} is wider than {spot.before.name}, of size {n}{around}")
        if positions == n and stride == 1:
            return _Window(position, inside, length, stride, padding, size)
        count = spot.sizes.named(positions, spot.own(names), spot.place)
        return _Window(position, inside, length, stride, padding, count)
    if stride != 1:
        symbol = written(size if n is None else length)
        spot.fail(
            f"with stride {stride} the number of positions needs numbers, and {symbol} is "
            f"symbolic; write it in [sizes], or stride = 1"
        )
    if width == 2 * padding + 1:
        return _Window(position, inside, length, stride, padding, size)
    count = size + number(2 * padding + 1) - length
    return _Window(position, inside, length, stride, padding, count)


def _padding(spot: Spot, axis: int, kernel: Affine) -> int:
    """The zeros before and behind one axis (0 rows, 1 columns); "same" keeps the size."""
    if spot.table.get("padding") != "same":
        return spot.pair("padding", 0, least=0)[axis]
    width = spot.sizes.value(kernel)
    if width is None or width % 2 == 0 or spot.pair("stride", 1) != (1, 1):
        spot.place.key("padding").fail(
            f'"same" needs an odd kernel and stride 1, and the kernel is {written(kernel)}; '
            "write a whole number of zeros"
        )
    return width // 2


def _padded(spot: Spot, windows: Sequence[_Window]) -> tuple[str, ...]:
    """What comes in, where a window reads beyond its ends."""
    if not any(each.padding for each in windows):
        return ()
    if spot.before.is_recurrent:
        spot.place.key("padding").fail(
            f"{spot.before.name} has a state before its first step, so it is not 0 there; put "
            '{ kind = "activation", activation = "linear" } between'
        )
    return (spot.before.name,)


def conv1d(spot: Spot) -> Part:
    """a[t,i] = Σ_u Σ_j K[i,j,u] x[t+u-1,j] + b[i], h = g(a)."""
    _, width = spot.reads(2)
    channels, kernel = spot.size("channels", "n"), spot.size("kernel", "k")
    g = spot.pointwise("activation", "linear")
    one = _window(spot, 0, "tu", "T", kernel, spot.count("stride", 1), _padding(spot, 0, kernel))
    K, a, h = spot.shared("K"), spot.own("a"), spot.own("h")
    bias, biases = spot.biased("b", "i", channels)
    x = spot.at(spot.before.name, one.index, "j")
    right = f"sum(u, sum(j, {K}[i,j,u]*{x})){bias}"
    lines = (
        (spot.at(a, one.position, "i"), right),
        (spot.at(h, "t", "i"), applied(g, spot.at(a, "t", "i"), "i")),
    )
    return Part(
        f"{_many(channels, spot)} channels, kernel {_many(kernel, spot)}, stride {one.stride}",
        Array(h, (one.count, channels)),
        lines,
        (Parameter(K, (channels, width, kernel)), *biases),
        ranges=((one.position, one.count),),
        pad=_padded(spot, [one]),
    )


def conv2d(spot: Spot) -> Part:
    """a[o,r,c] = Σ_q Σ_u Σ_v K[o,q,u,v] x[q,r+u-1,c+v-1] + b[o], h = g(a)."""
    depth = spot.reads(3)[0]
    channels, g = spot.size("channels", "n"), spot.pointwise("activation", "linear")
    kernels = _kernels(spot)
    strides = spot.pair("stride", 1)
    rows, cols = (
        _window(spot, axis + 1, letters, names, kernels[axis], strides[axis],
                _padding(spot, axis, kernels[axis]))
        for axis, (letters, names) in enumerate((("ru", "rows"), ("cv", "cols")))
    )  # fmt: skip
    K, a, h = spot.shared("K"), spot.own("a"), spot.own("h")
    bias, biases = spot.biased("b", "o", channels)
    x = spot.at(spot.before.name, "q", rows.index, cols.index)
    right = f"sum(q, sum(u, sum(v, {K}[o,q,u,v]*{x}))){bias}"
    lines = (
        (spot.at(a, "o", rows.position, cols.position), right),
        (spot.at(h, "o", "r", "c"), applied(g, spot.at(a, "o", "r", "c"), "o")),
    )
    sizes = " x ".join(_many(each, spot) for each in kernels)
    return Part(
        f"{_many(channels, spot)} channels, kernel {sizes}, stride {' x '.join(map(str, strides))}",
        Array(h, (channels, rows.count, cols.count)),
        lines,
        (Parameter(K, (channels, depth, *kernels)), *biases),
        ranges=tuple((each.position, each.count) for each in (rows, cols)),
        pad=_padded(spot, [rows, cols]),
    )


def _kernels(spot: Spot) -> tuple[Affine, Affine]:
    """Rows and columns of a kernel; one size stands for both."""
    value: Any = spot.table.get("kernel")
    if not is_list(value):
        kernel = spot.size("kernel", "k")
        return kernel, kernel
    place = spot.place.key("kernel")
    if len(value) != 2:
        place.expected("one size, or two: rows and columns", value)
    named = zip(value, (spot.own("k"), spot.own("l")), strict=True)
    rows, cols = (
        spot.sizes.named(size, name, place.item(n)) for n, (size, name) in enumerate(named, 1)
    )
    return rows, cols


def _pool(spot: Spot, kind: str) -> Part:
    """The largest of a window, or its mean."""
    shape = spot.reads(2, 3)
    lengths = spot.pair("window", None)
    strides = spot.pair("stride", None) if "stride" in spot.table else lengths
    axes = (("tu", "T"),) if len(shape) == 2 else (("ru", "rows"), ("cv", "cols"))
    first = 0 if len(shape) == 2 else 1
    windows = [
        _window(spot, first + n, letters, names, lengths[n], strides[n], 0)
        for n, (letters, names) in enumerate(axes)
    ]
    h, places = spot.own("h"), [each.position for each in windows]
    inside = [each.index for each in windows]
    feature = ["i"] if len(shape) == 2 else ["o"]
    left = [*places, *feature] if len(shape) == 2 else [*feature, *places]
    read = [*inside, *feature] if len(shape) == 2 else [*feature, *inside]
    right = spot.at(spot.before.name, *read)
    for each in reversed(windows):
        right = f"{kind}({each.inside}=1..{written(each.length)}, {right})"
    counts = [each.count for each in windows]
    output = (*counts, shape[1]) if len(shape) == 2 else (shape[0], *counts)
    taken = "the largest" if kind == "max" else "the mean"
    size = " x ".join(str(lengths[n]) for n in range(len(axes)))
    return Part(
        f"{taken} of each window of {size}",
        Array(h, output),
        ((spot.at(h, *left), right),),
        ranges=tuple((each.position, each.count) for each in windows),
    )


def max_pool(spot: Spot) -> Part:
    """The largest of each window."""
    return _pool(spot, "max")


def avg_pool(spot: Spot) -> Part:
    """The mean of each window."""
    return _pool(spot, "mean")


# --------------------------------------------------------------------------- put together, apart


def flatten(spot: Spot) -> Part:
    """One vector, the last index running fastest."""
    shape = spot.reads(2, 3)
    inner = [spot.sizes.value(size) for size in shape[1:]]
    if any(n is None for n in inner):
        symbols = ", ".join(
            written(size) for size, n in zip(shape[1:], inner, strict=True) if n is None
        )
        spot.fail(f"it needs numbers for all sizes but the first, and {symbols} is symbolic")
    axes = AXES[len(shape)] if len(shape) == 3 else ("t", "j")
    steps = [1]
    for n in reversed(inner):
        steps.insert(0, steps[0] * (n or 1))
    place = number(1 - sum(steps))
    for axis, step in zip(axes, steps, strict=True):
        place += letter(axis).times(step)
    first = spot.sizes.value(shape[0])
    size = shape[0].times(steps[0])
    if first is not None:
        size = spot.sizes.named(first * steps[0], spot.own("n"), spot.place)
    e, h = spot.own("e"), spot.own("h")
    right = spot.at(spot.before.name, *axes)
    for n, axis in reversed(list(enumerate(axes))):
        right = (
            f"sum({axis}{f' if {written(place)} == {e}' if n == len(axes) - 1 else ''}, {right})"
        )
    line = (spot.at(h, e), right)
    return Part("one vector", Array(h, (size,)), (line,), ranges=((e, size),))


def residual(spot: Spot) -> Part:
    """h = h of the layer before + h of an earlier one."""
    shape = spot.reads(1, 2, 3)
    other = spot.source(spot.table["from"], spot.place.key("from"))
    axes = AXES[len(shape)]
    spot.shape_of(other, 1, 2, 3)
    same = len(other.shape) == len(shape) and all(map(spot.sizes.agree, other.shape, shape))
    if not same:
        spot.fail(
            f"it adds {_sized(other)} and {_sized(spot.before)}, whose sizes differ; expected "
            "equal ones (a dense layer of as many units makes them so)"
        )
    right = f"{spot.at(other.name, *axes)} + {spot.at(spot.before.name, *axes)}"
    h = spot.own("h")
    return Part(f"{other.name} is added", Array(h, shape), ((spot.at(h, *axes), right),))


def _sized(array: Array) -> str:
    return f"{array.name}[{', '.join(map(written, array.shape))}]"


def concat(spot: Spot) -> Part:
    """Earlier outputs side by side, along the last index."""
    place = spot.place.key("from")
    value: Any = spot.table.get("from")
    if not is_list(value) or len(value) < 2:
        place.expected("a list of at least two earlier layers, such as [0, 1]", value)
    arrays = [spot.source(each, place.item(n)) for n, each in enumerate(value, 1)]
    *lead, _ = spot.shape_of(arrays[0], 1, 2)
    for other in arrays[1:]:
        ahead = spot.shape_of(other, len(lead) + 1)[:-1]
        if not all(map(spot.sizes.agree, lead, ahead)):
            spot.fail(f"{_sized(arrays[0])} and {_sized(other)} have different numbers of steps")
    axes = AXES[len(lead) + 1][:-1]
    e, h = spot.own("e"), spot.own("h")
    offset, summands = number(0), []
    for array in arrays:
        inside = written(letter("j") + offset)
        summands.append(f"sum(j if {inside} == {e}, {spot.at(array.name, *axes, 'j')})")
        offset += array.shape[-1]
    total = spot.sizes.value(offset)
    size = offset if total is None else spot.sizes.named(total, spot.own("n"), spot.place)
    line = (spot.at(h, *axes, e), " + ".join(summands))
    names = ", ".join(array.name for array in arrays)
    return Part(f"{names} side by side", Array(h, (*lead, size)), (line,), ranges=((e, size),))


def dropout(spot: Spot) -> Part:
    """h = mask · h, over 1 - rate: what is left out is given as an input."""
    shape = spot.reads(1, 2, 3)
    axes = AXES[len(shape)]
    h, mask = spot.own("h"), spot.own("mask")
    right = f"{spot.at(mask, *axes)}*{spot.at(spot.before.name, *axes)}"
    if "rate" in spot.table:
        rate = exact_number(spot.table["rate"], spot.place.key("rate"))
        if not 0 <= rate < 1:
            spot.place.key("rate").expected("a number from 0 to below 1", rate)
        right += f"/(1 - {rate:f})"
    line = (spot.at(h, *axes), right)
    return Part(f"{mask} says what is kept", Array(h, shape), (line,), inputs=(Array(mask, shape),))


# -------------------------------------------------------------------------------- transformers


def embedding(spot: Spot) -> Part:
    """h[t] = E[tok[t]], the row of the token, and where asked for a row for the position."""
    tokens = spot.before
    if tokens.below is None:
        spot.fail(
            f"it reads tokens, but {tokens.name} holds numbers; write "
            'inputs = { tokens = "T", below = "V" }'
        )
    ahead = ("t",) if tokens.shape else ()
    units, E, h = spot.size("units", "n"), spot.shared("E"), spot.own("h")
    right = f"{E}[{spot.at(tokens.name, *ahead)},i]"
    parameters = [Parameter(E, (tokens.below, units))]
    if spot.says("positions", default=False):
        if not tokens.shape:
            spot.place.key("positions").fail("one token has no position; leave this out")
        P = spot.shared("P")
        right += f" + {P}[t,i]"
        parameters.append(Parameter(P, (*tokens.shape, units)))
    line = (spot.at(h, *ahead, "i"), right)
    return Part(
        f"{_many(units, spot)} units", Array(h, (*tokens.shape, units)), (line,), tuple(parameters)
    )


def attention(spot: Spot) -> Part:
    """Scaled dot products of queries and keys, a softmax, the values' sum by its weights."""
    T, width = spot.reads(2)
    is_causal = spot.says("causal", default=False)
    is_biased = spot.word("bias", ("none", "per_neuron")) == "per_neuron"
    heads, head, inside = _heads(spot, width)
    several = ("p",) if heads is not None else ()
    ahead = () if heads is None else (heads,)
    names = {name: spot.own(name) for name in ("Q", "K", "V", "S", "A", "Z", "h")}
    lines, parameters = [], []
    for name in ("Q", "K", "V"):
        W = spot.shared(f"W{name}")
        x = spot.at(spot.before.name, "t", "j")
        right = f"sum(j, {element(W, *several, 'q', 'j')}*{x})"
        parameters.append(Parameter(W, (*ahead, head, width)))
        if is_biased:
            b = spot.shared(f"b{name}")
            right += f" + {element(b, *several, 'q')}"
            parameters.append(Parameter(b, (*ahead, head), is_weight=False))
        lines.append((spot.at(names[name], *several, "t", "q"), right))
    shown = "u if u <= t" if is_causal else "u"
    query, key = (spot.at(names[n], *several, at, "q") for n, at in (("Q", "t"), ("K", "u")))
    score, weight = (spot.at(names[n], *several, "t", "u") for n in ("S", "A"))
    value, mixed = (spot.at(names[n], *several, at, "q") for n, at in (("V", "u"), ("Z", "t")))
    WO = spot.shared("WO")
    out, biases = spot.biased("bO", "i", width) if is_biased else ("", [])
    together = f"sum(q, {element(WO, 'i', *several, 'q')}*{mixed})"
    lines += [
        (score, f"sum(q, {query}*{key})/sqrt({written(head)})"),
        (weight, f"softmax({shown}, {score})"),
        (mixed, f"sum({shown}, {weight}*{value})"),
        (spot.at(names["h"], "t", "i"), (f"sum(p, {together})" if several else together) + out),
    ]
    parameters += [Parameter(WO, (width, *ahead, head)), *biases]
    causal = "causal, " if is_causal else ""
    fact = KnownSum(names["A"], Fraction(1), "the weights of a softmax sum to one")
    return Part(
        f"{causal}{inside}",
        Array(names["h"], (T, width)),
        tuple(lines),
        tuple(parameters),
        facts=(fact,),
    )


def _heads(spot: Spot, width: Affine) -> tuple[Affine | None, Affine, str]:
    """The number of heads (None for one), the size of each, and how the comment says it."""
    value = spot.table.get("heads", 1)
    if whole(value) == 1:
        head = spot.size("head_size", "m") if "head_size" in spot.table else width
        return None, head, "one head"
    heads = spot.size("heads", "p")
    n, many = spot.sizes.value(width), spot.sizes.value(heads)
    if "head_size" in spot.table:
        return heads, spot.size("head_size", "m"), f"{_many(heads, spot)} heads"
    if n is None or many is None:
        spot.fail(
            f"the size of a head is {written(width)}/{written(heads)}, which needs numbers; write "
            'it as head_size = "m"'
        )
    if n % many:
        spot.place.key("heads").fail(f"{n} features cannot be shared by {many} heads alike")
    return heads, spot.sizes.named(n // many, spot.own("m"), spot.place), f"{many} heads"
