"""How a page is to be read: the letters it uses, found from the page itself.

Nobody says in advance that z is the preactivation, that the layer stands above in brackets, or that
w_ij leads from i to j.  Here one can

* see which letters a page uses, and how it writes their indices: `signs_of`;
* get the notations that these allow, the likeliest first: `candidates`;
* weigh how well a page is explained by one of them: `weight`.

`symback.checking.pipeline` reads and judges the page under each and takes the one that explains
most; a line that two of them explain equally well and judge differently is right only if it is
read in one of the two.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from symback.checking.letters import Letters, Scope, is_of_unit
from symback.checking.naming import told
from symback.checking.page import Claim, Document, Item, Unread
from symback.checking.report import LineReport, Verdict
from symback.checking.statements import Page, Statement, cut
from symback.checking.tokens import FUNCTIONS, Token
from symback.language.expressions import Derivative, Element, walk
from symback.language.names import NOTATIONS, SIGNS, Notation, Samples

MOST_CANDIDATES = 24
"""So many notations a page is read in, at most."""
MOST_LOOKED_AT = 6_000
"""Characters of a page from which its letters are known."""
MOST_JUDGED = 6
"""So many of these are judged: those that leave least unread."""

LECTURES = NOTATIONS["lectures"]
_PREACTIVATIONS = ("z", "net", "a", "o"), ("v", "s", "u", "theta", "in", "q", "f", "y")
_ACTIVATIONS = ("h", "a", "o", "z", "out", "y"), ("s", "p", "phi", "f", "q", "pi")
_OUTPUTS = ("yhat", "p", "o", "y"), ("q", "f", "s", "pi", "a", "h")
"""Letters that are as a rule a preactivation, an activation or an output, and letters that are one
where a line of the page applies a function to it, or gives it what a function makes."""
_TARGETS = ("t", "d", "y")
_WEIGHTS = ("w", "theta", "Theta", "v")
_QUANTITIES = frozenset(
    (
        *itertools.chain(*_PREACTIVATIONS, *_ACTIVATIONS, *_OUTPUTS),
        *_TARGETS, *_WEIGHTS, "x", "b", "delta",
    )
)  # fmt: skip
_FUNCTIONS = frozenset(("sigma", "g", "f", "phi", "psi", "h", "softmax", "sigmoid", "tanh", "relu"))
_OF_BATCH = re.compile(
    r"\b(?:axis|dim) *= *-?\d|keepdims|\.shape\[|\blen\(|[1)\]A-Za-z] */ *(?:m|N|num_\w+)\b"
    r"|frac[ {]*1[ {}]*[mN]\b|range\("
)
"""What is written of arrays that hold all samples, and of how many there are."""
_COUNTED = re.compile(r"/=? *(?:m|N|num_\w+|X\.shape)\b|frac[ {]*1[ {}]*[mN]")
"""A division by the number of samples."""
_STEPS = re.compile(r"\bd ?[Wwb][^=\n]*=([^=\n]*)")
"""What dW or db is."""
_OWN_LOSS = re.compile(r"\b([ELCJ])_\{?[nix]\b")
"""The loss of one sample: E_n, C_x."""
_NUMBERED = re.compile(r"\^[ {]*(?:\[\w\])?\( *[insjt] *\)|\b[ELC]_\{?[nix]\b")
"""Numbers of samples: x^{(i)}, z^{[1](i)}, E_n."""
_OF_ARRAYS = {"W": "w", "Z": "z", "A": "a", "H": "h", "X": "x", "Y": "y", "B": "b", "O": "o"}


@dataclass(frozen=True, slots=True)
class Signs:
    """What a page's letters look like.

    ``letters`` counts those that stand for quantities, capitals as small ones; ``applied`` are the
    pairs (result, argument) of lines such as a = σ(z).  ``above`` are the brackets in which layers
    stand ("(", "[", or "" without), ``weights`` how many indices w has below (0 for a bare one),
    ``bare`` the letters of layers that stand without a number of their layer, ``rows`` whether an
    array stands before W, as in z = x W + b, ``largest`` the largest number that stands alone below
    a letter of layers.  ``batch`` says that there are arrays of all samples (X and A^{[1]}, axis=1,
    1/m), ``capitals`` that those have capital letters, ``numbered`` that samples have numbers, as
    in x^{(i)}, ``scaled`` that dW or db is divided by the number of samples, or nothing is;
    ``loss`` is the letter of one sample's loss, as in E_n, ``code`` that there are lines of code,
    ``layered_inputs`` whether x is computed from x, as in x_2 = f(W_2 x_1),
    ``from_zero`` whether outputs or targets are counted from 0.
    """

    letters: Counter[str]
    applied: frozenset[tuple[str, str]]
    above: frozenset[str]
    weights: frozenset[int]
    bare: frozenset[str]
    rows: bool
    largest: int = 0
    batch: bool = False
    capitals: bool = False
    numbered: bool = False
    code: bool = False
    scaled: bool = True
    loss: str = ""
    layered_inputs: bool = False
    from_zero: bool = False


def signs_of(text: str, scope: Scope, names: Sequence[tuple[str, str]] = ()) -> Signs:
    """What the letters of a page look like, before anybody knows what they mean.

    Not those of ``names`` and of names that say themselves what they are, such as net_h1.
    """
    page = Page.of(text[:MOST_LOOKED_AT], Letters(scope, LECTURES))
    found = [each for each in cut(page)[0] if each.has_relation]
    said = told(((each.tokens, each.latex) for each in found), scope, LECTURES)
    known = Letters(scope, replace(LECTURES, names=(*said, *names)))
    statements = list(map(_spread, found))
    letters: Counter[str] = Counter()
    applied: set[tuple[str, str]] = set()
    above: set[str] = set()
    weights: set[int] = set()
    bare: set[str] = set()
    rows, largest, layered_inputs, from_zero = False, 0, False, False
    for tokens in statements:
        layered_inputs |= _is_of_itself("x", tokens)
        applied |= set(_applied(tokens))
        for place, name in _names(tokens):
            below, raised = _scripts(tokens, place)
            if name == "d" and not below:  # that of dL/dw
                continue
            if known.own_name((tokens[place], *below)):
                continue
            letters[name] += 1
            from_zero |= name in ("y", "t", "yhat") and [t.text for t in below] == ["0"]
            if _is_layered(name) and len(below) == 1 and below[0].text.isdigit():
                largest = max(largest, int(below[0].text))
            rows |= name == "w" and _stands_behind_array(tokens, place)
            turned = raised[:1] in (["T"], ["⊤"], ["top"])
            layered = _is_layered(name)
            indices = 3 if name in _WEIGHTS[:1] else 2
            powered = raised[:1] and raised[0].isdigit() and _count(below) == indices  # h_{11}²
            if layered and raised and not (turned or powered) and raised != ["'"]:
                above.add(raised[0] if raised[0] in ("(", "[") else "")
            elif name in ("w", "theta", "Theta") or (name in ("u", "v") and _count(below) == 2):
                weights.add(_count(below))
            elif layered and not raised:
                close = [t for t in tokens[place + 1 : place + 2] if t.kind == "number"]
                close = [t for t in close if t.start == tokens[place].end]
                numbered = any(t.kind == "number" or t.text in "klL" for t in (*below, *close))
                bare |= {name} if not numbered and _count(below) < 2 else set()
    pairs = frozenset(applied)
    own = {token.text.removeprefix("d") for tokens in statements for token in tokens}
    arrays = own & {"X", "Z", "A", "H"}
    return Signs(
        letters,
        pairs,
        frozenset(above),
        frozenset(weights),
        frozenset(bare),
        rows,
        largest,
        batch=bool(arrays) or _OF_BATCH.search(text) is not None,
        capitals=bool(arrays - {"X"}),
        numbered=_NUMBERED.search(text) is not None,
        code=page.is_code,
        loss=next(iter(_OWN_LOSS.findall(text)), ""),
        scaled=any(map(_COUNTED.search, _STEPS.findall(text))) or not _COUNTED.search(text),
        layered_inputs=layered_inputs,
        from_zero=from_zero,
    )


def _is_of_itself(letter: str, tokens: Sequence[Token]) -> bool:
    """Whether a line says what a letter is by W and that letter: x_2 = f(W_2 x_1)."""
    equals = next((k for k, token in enumerate(tokens) if token.kind in ("=", ":=")), None)
    if equals is None:
        return False
    named = list(_names(tokens))
    left = [name for place, name in named if place < equals]
    right = {name for place, name in named if place > equals}
    return left == [letter] and {letter, "w"} <= right


def _is_layered(name: str) -> bool:
    """Whether a letter is one of a quantity that each layer has."""
    return name in _QUANTITIES - {"x", "y", "t", "d", "yhat"}


def candidates(signs: Signs, scope: Scope) -> list[Notation]:
    """The notations that a page's letters allow, the lectures' first."""
    turned = replace(LECTURES, rows=True, weight_order="from,into")
    own: list[Notation] = []
    for each in (turned, LECTURES) if signs.rows and signs.code else (LECTURES,):
        own += _with_samples(each, signs, scope)
    found: list[Notation] = []
    if scope.is_network and not _in_lectures_letters(signs, scope):
        for letters in _letterings(signs, scope):
            for each in _placed(letters, signs, scope):
                found += [*_with_samples(each, signs, scope), each]
    foreign = signs.letters.keys() & {"z", "net", "s", "o", "t", "p", "u", "v"}
    found = [LECTURES, *found, *own] if foreign else [LECTURES, *own, *found]
    if signs.from_zero:
        found = [LECTURES, *(replace(each, name="", first_index=0) for each in found)]
    return list(dict.fromkeys(found))[:MOST_CANDIDATES]


def _with_samples(notation: Notation, signs: Signs, scope: Scope) -> Iterator[Notation]:
    """The same where the page is about a batch: how it writes samples, and what dZ is."""
    if not (signs.batch or signs.numbered):
        return
    axis = "numbered" if not signs.batch else "rows" if signs.rows else "columns"
    both = {"L", "J"} <= signs.letters.keys()
    words = NOTATIONS["cs231n"].words if signs.code else ()
    capitals = signs.capitals and not signs.code
    hidden = notation.activation
    if signs.code and scope.depth == 2 and hidden in signs.bare and not notation.placed:
        notation = replace(notation, placed=((hidden, "h", 1),))
    for derivatives in ("sample", "batch") if signs.scaled else ("batch", "sample"):
        samples = Samples(axis, capitals, derivatives, "L" if both else "")
        loss = "J" if both else signs.loss or notation.loss
        yield replace(notation, samples=samples, words=words or notation.words, loss=loss)


def _in_lectures_letters(signs: Signs, scope: Scope) -> bool:
    """Whether every letter is one of the lectures, and written as they write it."""
    own = {"a", "h", "yhat", "y", "x", "w", "b", "delta", "L", "e", "eta"}
    foreign = [each for each in signs.letters if each in _QUANTITIES and each not in own]
    plain = signs.weights <= {1, 3} and not signs.bare and not signs.above
    return not foreign and plain and scope.depth > 1


def _letterings(signs: Signs, scope: Scope) -> Iterator[Notation]:
    """Which letter is the preactivation, the activation, the output and the target."""
    seen = {letter for letter in signs.letters if letter in _QUANTITIES}
    results = {result for result, _ in signs.applied}
    arguments = {argument for _, argument in signs.applied}

    def known(letters: tuple[tuple[str, ...], ...], applied: set[str]) -> list[str]:
        usual, rarer = letters
        return [each for each in usual if each in seen] + [e for e in rarer if e in applied]

    targets = [each for each in _TARGETS if each in seen] or ["y"]
    if targets == ["y"] and "y" in results:  # y is what the units give
        targets.append(_unused("t", seen))
    before = [*known(_PREACTIVATIONS, arguments), _unused(_PREACTIVATIONS[0], seen)]
    after = [*known(_ACTIVATIONS, results), _unused(_ACTIVATIONS[0], seen)]
    outputs = [*known(_OUTPUTS, results), ""]
    weight = next((each for each in _WEIGHTS if each in seen - arguments), "w")
    if scope.depth == 2:
        yield from _letters_by_layer(signs, targets, scope)
    if signs.layered_inputs:  # x_0 is the input, x_1 the first activation
        for target, out in itertools.product(targets, (each for each in outputs if each != "x")):
            yield replace(
                LECTURES, name="", preactivation=before[0], activation="x", input="", output=out,
                target=target, weight=weight, function="g", output_is_activation=not out,
                generic_sigma="sigmoid" not in scope.activations,
            )  # fmt: skip
    ranked: list[tuple[int, Notation]] = []
    for pre, act, out, target in itertools.product(before, after, outputs, targets):
        letters = [pre, act, target, "x", "b", weight]
        if len(set(letters)) < len(letters) or out in (pre, target, act):
            continue
        if target == "y" and "yhat" not in seen and "t" in seen and out != "y" != act:
            continue
        explained = sum(signs.letters[letter] for letter in {*letters, out})
        matched = sum(pre == argument for result, argument in signs.applied
                      if result in (act, out))  # fmt: skip
        made = replace(
            LECTURES, name="", preactivation=pre, activation=act, output=out, target=target,
            weight=weight, generic_sigma="sigmoid" not in scope.activations,
            function="g" if "h" in (pre, act, out) else "h", output_is_activation=not out,
        )  # fmt: skip
        ranked.append((-(explained + 3 * matched), made))
    ranked.sort(key=lambda each: each[0])
    best = ranked[0][0] if ranked else 0
    yield from (made for score, made in ranked[:8] if score <= best * 0.8)


def _letters_by_layer(signs: Signs, targets: Sequence[str], scope: Scope) -> Iterator[Notation]:
    """Each of two layers has letters of its own: z = σ(h) with weights w, and o = σ(a) with v."""
    weights = [each for each in ("w", "v", "u") if each in signs.letters] or ["w"]
    for (hidden, first), (output, last) in itertools.permutations(sorted(signs.applied), 2):
        letters = [hidden, output, *{first, last}, *targets[:1], "x", "b", *weights[:2]]
        if len(set(letters)) < len(letters):
            continue
        placed = [(hidden, "h", 1)]
        placed += [(first, "a", 1), (last, "a", 2)] if first != last else []
        for own in itertools.permutations(weights[:2]):
            pairs = [(letter, "w", layer) for layer, letter in enumerate(own, start=1)]
            yield replace(
                LECTURES, name="", preactivation=last, activation=hidden, output=output,
                target=targets[0], weight=own[0], function="g",
                generic_sigma="sigmoid" not in scope.activations, layer="nowhere",
                placed=tuple(placed + (pairs if len(pairs) > 1 else [])),
            )  # fmt: skip


def _unused(letters: Iterable[str], seen: Collection[str]) -> str:
    """The first letter that the page does not use, for what it does not name."""
    return next((letter for letter in letters if letter not in seen), "a")


def _placed(letters: Notation, signs: Signs, scope: Scope) -> Iterator[Notation]:
    """Where the layer stands, and how the layers and the indices of w are counted."""
    if letters.placed:
        yield letters
        yield replace(letters, weight_order="from,into")
        return
    hidden = letters.activation
    twice = scope.depth == 1 and letters.output and hidden in signs.letters
    if twice and (hidden, letters.output) != ("a", "yhat"):  # two letters for one thing
        return
    if scope.depth == 2 and letters.output and hidden in signs.bare:  # there is but one of them
        letters = replace(letters, placed=((hidden, "h", 1),))
    for rows in (True, False) if signs.rows else (False,):
        # the entry W_jk of a matrix (in, out) is that from j into k
        each = replace(letters, rows=rows, weight_order="from,into" if rows else "into,from")
        both = 2 in signs.weights and not rows
        orders = ("into,from", "from,into") if both else (each.weight_order,)
        if {"(", "["} & signs.above:
            for first, lead in ((0, False), (1, True), (1, False)):
                yield replace(each, layer="bracketed", input_layer=first, weights_lead_on=lead)
        if "" in signs.above:
            for first, lead in ((1, False), (0, False), (1, True)):
                yield replace(each, layer="superscript", input_layer=first, weights_lead_on=lead)
        if scope.depth == 1 or signs.bare or {0, 1, 2} & signs.weights:
            numbered = scope.depth > 1 and 1 in signs.weights
            for order in orders:
                yield replace(each, layer="nowhere", weight_order=order, numbered=numbered)
        if signs.largest == scope.depth + 1 > 2:  # layers, or errors alone, counted with the inputs
            layers = range(1, scope.depth + 1)
            later = tuple((f"delta_{layer + 1}", f"delta_{layer}") for layer in layers)
            yield replace(each, names=later)
            yield replace(each, input_layer=1, weights_lead_on=True)
        yield each


def refined(
    notation: Notation, signs: Signs, scope: Scope, *, own_errors: bool
) -> Iterator[Notation]:
    """What else may be so of a page that ``notation`` explains best, and not all of it.

    Errors may be counted from the outputs (δ_1 is theirs), or with ``own_errors`` be names that the
    page gives to something itself.
    """
    if "delta" not in signs.letters or notation.layer not in ("subscript", "nowhere"):
        return
    if scope.depth > 1 and signs.largest <= scope.depth:
        layers = range(1, scope.depth + 1)
        back = tuple((f"delta_{layer}", f"delta_{scope.depth + 1 - layer}") for layer in layers)
        yield replace(notation, name="", names=(*back, *notation.names))
    if own_errors:
        yield replace(notation, name="", error="")


# ------------------------------------------------------------------------------- what stands where


def _spread(statement: Statement) -> list[Token]:
    """The tokens of a statement, a subscript that is typed close together in braces: w_12j."""
    made: list[Token] = []
    is_open = False
    for token in statement.tokens:
        close = is_open and token.kind in ("number", "name") and token.start == made[-1].end
        if is_open and not close:
            made.append(replace(token, kind="}", text="}"))
            is_open = False
        begins = bool(made) and made[-1].kind == "_" and token.kind in ("number", "name")
        if begins and not statement.latex and not is_open:
            made.append(replace(token, kind="{", text="{"))
            is_open = True
        made.append(token)
    return [*made, replace(made[-1], kind="}", text="}")] if is_open else made


def _names(tokens: Sequence[Token]) -> Iterator[tuple[int, str]]:
    """The places of letters that are no index and no function, and the letters in small."""
    depth = 0
    for place, token in enumerate(tokens):
        before = tokens[place - 1].kind if place else ""
        if depth:
            depth += (token.kind in ("{", "(", "[")) - (token.kind in ("}", ")", "]"))
            continue
        if before in ("_", "^"):
            depth = int(token.kind in ("{", "(", "["))
            continue
        text = token.text
        if token.kind == "command" and text in ("hat", "widehat"):
            inner = [each.text for each in tokens[place + 1 : place + 4] if each.kind == "name"]
            if inner:
                yield place, inner[0].lower() + "hat"
            continue
        hatted = place > 1 and tokens[place - 2].text in ("hat", "widehat")
        if token.kind != "name" or hatted or tokens[place - 1].text in ("hat", "widehat"):
            continue
        follows = tokens[place + 1].kind if place + 1 < len(tokens) else ""
        applied = follows in ("(", "'") or is_of_unit(tokens[place + 1 :])
        if text in FUNCTIONS or (text in _FUNCTIONS and applied):
            continue
        if len(text) > 1 and text[0] == "d" and text[1:] not in ("elta",):
            text = text[1:] or text
        yield place, _OF_ARRAYS.get(text, text)


def _scripts(tokens: Sequence[Token], place: int) -> tuple[list[Token], list[str]]:
    """What stands below a letter, and the texts of what stands above it."""
    below: list[Token] = []
    above: list[str] = []
    position = place + 1
    behind = tokens[position : position + 3]
    bracketed = [each.kind for each in behind] in (["[", "number", "]"], ["[", "name", "]"])
    if bracketed and behind[0].start == tokens[place].end:  # z[1] in text
        above = [each.text for each in behind]
        position += 3
    while position + 1 < len(tokens) and tokens[position].kind in ("_", "^"):
        mark, first = tokens[position].kind, tokens[position + 1]
        end = position + 2
        if first.kind in ("{", "("):
            close = "}" if first.kind == "{" else ")"
            ends = (k + 1 for k in range(position, len(tokens)) if tokens[k].kind == close)
            end = next(ends, end)
        inner = [each for each in tokens[position + 1 : end] if each.kind not in ("{", "}")]
        if mark == "_":
            below = inner
        else:
            above = [each.text for each in inner]
        position = end
    return below, above


def _stands_behind_array(tokens: Sequence[Token], place: int) -> bool:
    """Whether W has an array just before it that is multiplied by it: x W, a_1 W_2, x @ W."""
    if tokens[place].text != "W":
        return False
    back = place - 1
    while back >= 0 and (tokens[back].kind in "·@*,(." or tokens[back].text == "dot"):
        back -= 1
    depth = 0
    while back >= 0:  # over the scripts of the array
        kind = tokens[back].kind
        depth += (kind in ("}", ")", "]")) - (kind in ("{", "(", "["))
        scripted = depth or kind in ("{", "_", "^") or tokens[back - 1].kind in ("_", "^")
        if not scripted:
            break
        back -= 1
    text = tokens[back].text if back >= 0 and tokens[back].kind == "name" else ""
    return _OF_ARRAYS.get(text, text) in ("x", "a", "h", "z", "o", "y", "delta")


def _count(below: Sequence[Token]) -> int:
    """How many indices a subscript has; of packed digits as many as there are digits."""
    return sum(len(each.text) if each.kind == "number" else each.kind == "name" for each in below)


def _applied(tokens: Sequence[Token]) -> Iterator[tuple[str, str]]:
    """The result and the argument of a = σ(z), and of p_i = e^{z_i}/Σ e^{z_j}."""
    named = dict(_names(tokens))
    equals = next((k for k, token in enumerate(tokens) if token.kind in ("=", ":=")), None)
    if equals is None:
        return
    left = [name for place, name in named.items() if place < equals]
    ends = (k for k in range(equals + 1, len(tokens)) if tokens[k].kind in ("=", "≈"))
    end = next(ends, len(tokens))
    right = [(place, name) for place, name in named.items() if equals < place < end]
    if len(left) != 1 or not right:
        return
    behind = tokens[equals + 1] if equals + 1 < len(tokens) else tokens[equals]
    is_function = behind.text in FUNCTIONS or behind.text in _FUNCTIONS
    is_exponential = any(token.text in ("e", "exp") for token in tokens[equals:end])
    others = {name for _, name in right if name in _QUANTITIES}
    others = others - {"x"} or others
    if left[0] in _QUANTITIES and (is_function or is_exponential) and len(others) == 1:
        yield left[0], others.pop()


# ----------------------------------------------------------------------------- what explains a page

_WEIGHT = {
    Verdict.PROVED: 2.0,
    Verdict.CONDITIONAL: 1.0,
    Verdict.FOLLOWS: -1.0,
    Verdict.REFUTED: -2.0,
    Verdict.UNREAD: -1.0,
    Verdict.UNDECIDED: -0.5,
}


_MISFIT = -2.0
"""Of a line that names what is beyond the network."""


def weight(items: Sequence[Item], lines: Iterable[LineReport]) -> float:
    """How well a reading explains a page: forward equations count twice."""
    forward = {
        (item.line, item.column)
        for item in items
        if isinstance(item, Claim) and not any(_is_derivative(side.node) for side in item.sides)
    }
    decided = (Verdict.PROVED, Verdict.REFUTED)
    return sum(
        (_MISFIT if "there is no " in line.reason else _WEIGHT.get(line.verdict, 0.0))
        * (1 + (line.verdict in decided and (line.line, line.column) in forward))
        for line in lines
    )


def unread(document: Document) -> int:
    """How much of a page is not read."""
    return sum(isinstance(item, Unread) for item in document.items)


def is_turned(notation: Notation, other: Notation) -> bool:
    """Whether two notations differ in rows and columns only: a page may have both."""
    letters = replace(notation, rows=other.rows, weight_order=other.weight_order)
    return notation.rows != other.rows and letters == other


def has_other_derivatives(notation: Notation, other: Notation) -> bool:
    """Whether two notations differ only in what dZ is: one of the two a page keeps to.

    dZ = A - Y and dW = dZ Aᵀ are each right in one of them, but never both where J is a mean.
    """
    samples = replace(notation.samples, derivatives=other.samples.derivatives)
    return notation != other and replace(notation, samples=samples) == other


def listed(numbers: Iterable[int]) -> str:
    """Line numbers as one says them: 1–3, 7."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _is_derivative(node: object) -> bool:
    return any(
        isinstance(part, Derivative) or (isinstance(part, Element) and part.letter == "delta")
        for part in walk(node)  # pyright: ignore[reportArgumentType]
    )


def described(notation: Notation, signs: Signs) -> str:
    """What a report says first of a page that is read in ``notation``."""
    named = next((name for name, each in NOTATIONS.items() if each == notation), "")
    if named:
        return f"read in the letters of {named}"
    roles = (
        ("preactivation", notation.preactivation), ("activation", notation.activation),
        ("output", notation.output), ("target", notation.target), ("weight", notation.weight),
    )  # fmt: skip
    used = [
        f"{SIGNS.get(letter, letter)} the {role}"
        for role, letter in roles
        if letter and letter in signs.letters
    ]
    place = {
        "subscript": "the layer below",
        "bracketed": "the layer above in brackets",
        "superscript": "the layer above",
        "nowhere": "no layer",
    }[notation.layer]
    said = [f"read with {', '.join(used)}" if used else "read as it is written", place]
    if notation.first_index == 0:
        said.append("neurons counted from 0")
    if notation.rows:
        said.append("vectors as rows and W as (in, out)")
    if notation.samples.are_in_arrays:
        said.append(f"the samples of a batch as {notation.samples.axis}")
    if notation.samples.are_named and notation.samples.derivatives == "sample":
        said.append("dZ and δ as derivatives of each sample's own loss")
    if notation.input_layer and notation.layer != "nowhere":
        said.append("the inputs as layer 1")
    if notation.weights_lead_on:
        said.append("W of a layer leading on from it")
    if 2 in signs.weights and notation.layer == "nowhere":
        into_first = notation.weight_order == "into,from"
        said.append("w_ij into i from j" if into_first else "w_ij from i to j")
    return ", ".join(said)
