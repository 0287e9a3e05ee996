r"""Names of several letters, and what they say by themselves: net_{h1}, \text{out}_{o1}, y_pred.

Here one can

* put the letters of a name together, so that the reader sees one name however it was typed:
  `joined` makes ``net_h1`` one token, and ``\text{net}_{h_1}`` the same; ``y\_pred`` is ``ypred``;
* ask what the names of a page say themselves: `told` gives pairs such as ("net_h1", "a_1,1"), which
  a `Notation` takes as ``names``.  Of a name that may mean two things nothing is said.

h1, o2, i1 are neuron 1 or 2 of the hidden layer (in a network of two layers), of the outputs, of
the inputs; hidden, out and in are those layers whole.  What a name by itself leaves open is looked
for in the page's equations by `symback.checking.guessing`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from symback.checking.letters import LOSS_WORDS, QUANTITIES, Letters, Scope, Scripted
from symback.checking.tokens import FUNCTIONS, RELATIONS, NotRead, Place, Token
from symback.language.names import NOTATIONS, Notation, UnknownNotation

_WITH_PLACE = {
    **dict.fromkeys(("net", "in", "preact", "preactivation", "logit", *"zsuv"), "a"),
    **dict.fromkeys(("out", "act", "activation", "output", "h", "o"), "h"),
    **dict.fromkeys(("target", "label", "ytrue", "t"), "y"),
    "ypred": "yhat", "yhat": "yhat", "delta": "delta", "b": "b", "W": "W",
}  # fmt: skip
"""The lectures' letter for a name that says its neuron or its layer below."""
_LAYERS = {
    **dict.fromkeys(("h", "hid", "hidden"), "hidden"),
    **dict.fromkeys(("o", "out", "output"), "output"),
    **dict.fromkeys(("i", "in", "inp", "input"), "input"),
}
"""The layer that a word below a name says."""
_BETWEEN = {
    **dict.fromkeys(("ih", "hi", "xh", "hx"), "hidden"),
    **dict.fromkeys(("ho", "oh", "hy", "yh"), "output"),
}
"""The layer of weights that are named by the two layers between which they stand."""
_OF_OUTPUTS = ("pred", "predicted", "hat", "true", "actual", "target", "label")
"""What may stand below y: y_pred is the name ypred."""
_LOSS_KINDS = {
    **dict.fromkeys(("MSE", "mse", "SSE", "sse"), "squared"),
    **dict.fromkeys(("CE", "ce", "BCE", "bce", "NLL", "nll"), "entropy"),
}
"""What a loss's name says of its formula: a part of what the network file calls it."""
_STYLE = frozenset(("net", "out", "in", "preact", "act", "preactivation", "activation"))
"""Beside one of these, with a neuron below, i is an input and h and o number neurons."""
_PREACTIVATIONS = ("net", "in", "preact", "preactivation", "logit", "z", "s", "u", "v")
_ACTIVATIONS = ("out", "act", "activation", "h", "o")

_AFTER_LAYER = ("net", "preact", "preactivation", "logit", "out", "act", "activation", "output")
"""What a layer has that is named by it: hidden_net, hidden_out."""

_BELOW = frozenset((*_LAYERS, *_OF_OUTPUTS, *_LOSS_KINDS)) - {"h", "o", "i"}
WORDS = frozenset((*QUANTITIES, *_LOSS_KINDS, *LOSS_WORDS, "net", "out", "act", "logit"))
"""Words that are a name wherever they stand between signs."""
_NO_NAMES = frozenset(
    (*FUNCTIONS, *"efgwnNΣΠ", "phi", "psi", "sum", "prod", "np", "grad", "sigma", "ehat",
     "indicator")
)  # fmt: skip
"""What has no layer by name below it: functions, marks, and w, which has two neurons there."""
_LOSS_LETTERS = ("L", "J", "C", "E", *LOSS_WORDS)
_APART = ("text", "name", "number")
"""A word beside one of these stands in a sentence, or is a product of letters."""
_PLACED = re.compile(r"(?P<name>[^_]+)_(?P<layer>[A-Za-z]+)(?P<neuron>\d*)")


# ---------------------------------------------------------------------------- one token for a name


def joined(
    tokens: Sequence[Token],
    *,
    latex: bool,
    own: Collection[str] = (),
    letters: Collection[str] = (),
) -> list[Token]:
    r"""The tokens with each name of several letters as one.

    ``own`` are words that are names here beside the usual ones, and ``letters`` names of one
    letter: what is a name and a product of those as well is refused.

    >>> from symback.checking.tokens import Place, lexed
    >>> typed = lexed(r"\mathrm{out}_{h_1} w_5 + net_{o1}", Place(1, 1), latex=True)
    >>> [token.text for token in joined(typed, latex=True)]
    ['out_h1', 'w', '_', '5', '+', 'net_o1']
    """
    runs = list(_runs(tokens, latex=latex))
    for run in runs:
        word = _word(run)
        if len(run) > 1 and word in own and letters and {*word} <= {*letters}:
            raise NotRead(f"{word} is a name and may be a product of letters", run[0].place,
                          rf"write \text{{{word}}}, or put \cdot between the letters")  # fmt: skip
    words = WORDS.union(own)
    spelled = _spelled(runs, words, frozenset(own), latex=latex)
    return list(_placed(_unbraced(spelled, words), latex=latex))


def snake_cased(tokens: Sequence[Token]) -> list[Token]:
    """The tokens of a line of a program with each name of several words as one: exp_scores.

    >>> from symback.checking.tokens import Place, lexed
    >>> typed = lexed("dhidden_layer = dL_dw + exp_scores_1", Place(1, 1), latex=False)
    >>> [token.text for token in snake_cased(typed)][:3]
    ['dhidden_layer', '=', 'dL']
    """
    made: list[Token] = []
    place = 0
    while place < len(tokens):
        token, end = tokens[place], place + 1
        while _is_word_of_snake(token) and _is_joined(tokens[end - 1 : end + 2]):
            end += 2
        words = [each.text for each in tokens[place:end:2]]
        is_mark = len(words) > 1 and (
            words[0] in ("grad", "np") or words[1] == "prime" or words[1][0] == "d" == words[0][0]
        )
        if end > place + 1 and not is_mark:
            made.append(replace(token, text="_".join(words), end=tokens[end - 1].end))
        else:
            made += tokens[place:end]
        place = end
    return made


def _is_word_of_snake(token: Token) -> bool:
    return token.kind == "name" and len(token.text) > 1 and token.text.isascii()


def _is_joined(tokens: Sequence[Token]) -> bool:
    """Whether a word, _ and a word stand close together."""
    close = all(a.end == b.start for a, b in itertools.pairwise(tokens))
    return len(tokens) == 3 and tokens[1].kind == "_" and close and _is_word_of_snake(tokens[2])


def _runs(tokens: Sequence[Token], *, latex: bool) -> Iterator[Sequence[Token]]:
    """The tokens one by one, in LaTeX letters that stand close together at once."""
    place = 0
    while place < len(tokens):
        end = place + 1
        while latex and _is_letter(tokens[place]) and end < len(tokens) and _goes_on(tokens, end):
            end += 1
        yield tokens[place:end]
        place = end


def _word(run: Sequence[Token]) -> str:
    return "".join(token.text for token in run)


def _spelled(
    runs: Sequence[Sequence[Token]], words: frozenset[str], own: frozenset[str], *, latex: bool
) -> list[Token]:
    r"""Runs of letters and \text{…} that are a word become a name, where no sentence goes on."""
    made: list[Token] = []
    lowered: list[bool] = []  # for each open brace whether it is within a subscript
    for place, run in enumerate(runs):
        token, word, several = run[0], _word(run), len(run) > 1
        beside = (*runs[max(0, place - 1) : place], *runs[place + 1 : place + 2])
        below = any(lowered) or (place > 0 and runs[place - 1][0].kind == "_")
        if token.kind == "{":
            lowered.append(below)
        elif token.kind == "}" and lowered:
            lowered.pop()
        known = word in words or (below and word in _BELOW and not (several and word == "in"))
        scripted = len(runs) > place + 1 and runs[place + 1][0].kind in ("_", "^")
        goes_on = any(_is_sentence(near, words, own=word in own) for near in beside)
        goes_on |= [near[0].kind for near in beside] == ["(", ")"] and beside[0][0].spaced
        is_name = below or scripted or (bool(beside) and not goes_on)
        if token.kind == "text" and (known or below or scripted) and _is_word(word) and is_name:
            made.append(replace(token, kind="name"))
        elif several and known and is_name:
            made.append(replace(token, text=word, end=run[-1].end))
        elif not latex and token.kind == "name" and word in WORDS and not is_name:
            made.append(replace(token, kind="text"))  # "the target y_1 is", "… (output)"
        else:
            made += run
    return made


def _is_sentence(near: Sequence[Token], words: frozenset[str], *, own: bool) -> bool:
    """Whether what stands beside a word may be another word, or makes it a product of letters.

    A name of the file or of the notation (``own``) may stand beside letters and numbers.
    """
    kind, word = near[0].kind, _word(near)
    if word == "d" or (own and word in words):
        return False
    return (
        kind == "text"
        or (kind == "name" and (not own or len(word) > 1))
        or (kind == "number" and not own)
    )


def _is_letter(token: Token) -> bool:
    return token.kind == "name" and len(token.text) == 1 and token.text.isascii()


def _is_word(text: str) -> bool:
    return text.isascii() and text.isalpha() and text not in ("new", "old")


def _goes_on(tokens: Sequence[Token], place: int) -> bool:
    """Whether a letter stands close behind the one before, or comes of the same macro."""
    before, token = tokens[place - 1], tokens[place]
    close = token.start in (before.end, before.start)
    return _is_letter(token) and close and not token.spaced


def _unbraced(tokens: Sequence[Token], words: frozenset[str]) -> list[Token]:
    r"""Without the braces that \mathit{out}_{h1} leaves around a word."""
    made: list[Token] = []
    for token in tokens:
        made.append(token)
        wrapped = [each.kind for each in made[-4:]] == ["{", "name", "}", "_"]
        before = made[-5].kind if len(made) > 4 else ""
        if wrapped and made[-3].text in words and before not in ("_", "^", "command", "}"):
            made[-4:] = [made[-3], token]
    return made


def _placed(tokens: Sequence[Token], *, latex: bool) -> Iterator[Token]:
    """net _ { h 1 } as one name, net_h1; y _ { pred , i } as ypred _ { i }."""
    place = 0
    while place < len(tokens):
        token, following = tokens[place], tokens[place + 1 : place + 2]
        place += 1
        if (
            token.kind != "name"
            or token.text in _NO_NAMES
            or not following
            or following[0].kind != "_"
        ):
            yield token
            continue
        inner, end = _lowered(tokens, place + 1, latex=latex)
        text, left = _named_with(token.text, inner, latex=latex)
        if not text:
            yield token
            continue
        yield replace(token, text=text, end=tokens[end - 1].end if not left else inner[0].end)
        if left:
            brace = following[0]
            yield from (brace, replace(brace, kind="{", text="{"), *left)
            yield replace(brace, kind="}", text="}")
        place = end


def _lowered(tokens: Sequence[Token], begin: int, *, latex: bool) -> tuple[Sequence[Token], int]:
    """What stands below, without braces, and where it ends."""
    if begin < len(tokens) and tokens[begin].kind == "{":
        depth, end = 1, begin + 1
        while depth and end < len(tokens):
            depth += (tokens[end].kind == "{") - (tokens[end].kind == "}")
            end += 1
        return [each for each in tokens[begin:end] if each.kind not in "_{}"], end
    end = begin + 1
    close = end < len(tokens) and not latex and tokens[begin].end == tokens[end].start
    end += close and tokens[end].kind == "number" and tokens[end].text.isdigit()
    return tokens[begin:end], end


def _named_with(name: str, below: Sequence[Token], *, latex: bool) -> tuple[str, Sequence[Token]]:
    """The name with what stands below it as one, and what of that are indices; ("", …) if none."""
    texts = [token.text for token in below]
    match texts:
        case [word, digits] if word in _LAYERS and digits.isdigit():
            is_element = len(name) == 1 and word == "i"  # x_{i1}
            return ("" if is_element else f"{name}_{word}{digits}"), ()
        case [word, *rest] if word in _BELOW and rest[:1] in ([], [","]):
            if name in ("y", "Y") and word in _OF_OUTPUTS:
                return f"y{word}", below[2:]
            is_kind = word in _LOSS_KINDS and name not in _LOSS_LETTERS
            unlike = word in _OF_OUTPUTS and word not in _LAYERS
            return ("" if rest or is_kind or unlike else f"{name}_{word}"), ()
        case [word] if not latex and _of_layer(name, word):
            return f"{name}_{word}", ()
    return "", ()


def _of_layer(name: str, word: str) -> bool:
    """Whether it is the name of something that a layer has, or a gradient: hidden_net, d_out."""
    return (name in _LAYERS and word in _AFTER_LAYER) or (name == "d" and word in _LAYERS)


# ------------------------------------------------------------------------------ what names say


Row = tuple[Sequence[Token], bool]
"""The tokens of a statement, and whether it is typed as LaTeX."""


def told(
    statements: Iterable[Row], scope: Scope, notation: Notation
) -> tuple[tuple[str, str], ...]:
    """The names that say by themselves what they are, each with its quantity.

    >>> from symback.checking.tokens import Place, lexed
    >>> scope = Scope((2, 2, 2), ("sigmoid", "sigmoid"), (1, 1))
    >>> page = joined(lexed("out_h1 = sigmoid(net_h1)", Place(1, 1), latex=False), latex=False)
    >>> told([(page, False)], scope, NOTATIONS["lectures"])
    (('net_h1', 'a_1,1'), ('out_h1', 'h_1,1'))
    """
    if not scope.is_network:
        return ()
    rows = list(statements)
    names = _names(rows)
    placed = {name: found for name in sorted(names) if (found := _PLACED.fullmatch(name))}
    used = {found["name"] for found in placed.values() if found["layer"] in _LAYERS}
    pairs: list[tuple[str, str]] = []
    if placed or not names.isdisjoint((*_LOSS_KINDS, *LOSS_WORDS)):
        defined = _defined(rows)
        pairs += _by_kinds(names - defined, scope)
        pairs += _by_places(placed, used, defined, scope, notation)
    if used & _STYLE:
        pairs += _by_inputs(rows)
        pairs += _by_index_letters(rows, scope)
    else:
        pairs += _by_layers(rows, scope)
    letters = Letters(scope, notation)
    return tuple(pair for pair in dict.fromkeys(pairs) if _exists(pair, letters))


def numbered_names(statements: Iterable[Row], letters: Letters) -> tuple[str, ...]:
    """The weights with a number of their own, such as w_5, where the network has none so called."""
    if not letters.scope.is_network:
        return ()
    weight, found = letters.notation.weight, dict[int, str]()
    rows = list(statements)
    if any(_has_layer_above(tokens, weight) for tokens, _ in rows):
        return ()
    for below in _below(rows, weight):
        if not below.isdigit() or len(below) > 2:
            continue
        place = Place(1, 1)
        one, other = Token("name", weight, place, 0, 0), Token("number", below, place, 0, 0)
        try:
            letters.quantity(Scripted(one, [other]))
            return ()
        except NotRead:
            found[int(below)] = f"{weight}_{below}"
    own_bias = found and set(letters.scope.biases) == {1} and letters.notation.layer == "subscript"
    biases = {int(b) for b in _below(rows, letters.notation.bias) if b.isdigit() and len(b) == 1}
    return (
        *(found[number] for number in sorted(found)),
        *(f"{letters.notation.bias}_{number}" for number in sorted(biases if own_bias else ())),
    )


def _has_layer_above(tokens: Sequence[Token], weight: str) -> bool:
    """Whether what may be a layer stands above a weight: w^{(1)}_{12}, but not w_5^{+}."""
    for place, token in enumerate(tokens):
        if token.text not in (weight, f"d{weight}"):
            continue
        at = place + 1
        if tokens[at : at + 1] and tokens[at].kind == "_":
            _, at = _lowered(tokens, at + 1, latex=True)
        if tokens[at : at + 1] and tokens[at].kind == "^":
            above = "".join(each.text for each in _lowered(tokens, at + 1, latex=True)[0])
            if above not in ("+", "new", "old", "*") and "-" not in above:
                return True
    return False


def names_loss(name: str, scope: Scope) -> bool:
    """Whether a name of the page's own can only be that of the loss: Loss, MSE, L_CE."""
    kind = name.rpartition("_")[2]
    return name in LOSS_WORDS or (kind in _LOSS_KINDS and _LOSS_KINDS[kind] == scope.loss)


def _names(rows: Sequence[Row]) -> set[str]:
    """The names of a page, and those behind the d of a differential."""
    found = {token.text for tokens, _ in rows for token in tokens if token.kind == "name"}
    return found | {name[1:] for name in found if name[:1] == "d" and len(name) > 2}


def _exists(pair: tuple[str, str], letters: Letters) -> bool:
    """Whether the network has what a name would be."""
    try:
        letters.meant(*pair)
    except UnknownNotation:
        return False
    return True


def _by_kinds(names: Collection[str], scope: Scope) -> Iterator[tuple[str, str]]:
    """loss, MSE and L_CE, which the page does not define itself."""
    yield from ((name, "L") for name in sorted(names) if names_loss(name, scope))


def _by_places(
    placed: Mapping[str, re.Match[str]],
    used: Collection[str],
    defined: Collection[str],
    scope: Scope,
    notation: Notation,
) -> Iterator[tuple[str, str]]:
    """net_h1, W_out, delta_hidden; a δ that the page defines may have the other sign."""
    for name, found in placed.items():
        said, place = found["name"], found["layer"]
        if said in _LAYERS and place in _AFTER_LAYER:  # hidden_net
            said, place = place, said
        if place not in _LAYERS:
            continue
        layer = _layer(_LAYERS[place], scope)
        letter = _meaning(said, used, notation)
        if layer is None or not letter or (letter == "delta" and name in defined):
            continue
        yield from ((name, each) for each in _at(letter, layer, found["neuron"], scope))


def _by_inputs(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """i_1, where net_h1 and its like stand on the page."""
    yield from ((f"i_{below}", f"x_{below}") for below in _below(rows, "i") if below.isdigit())


def _meaning(name: str, used: Collection[str], notation: Notation) -> str:
    """The lectures' letter for a name beside the others that the page uses, or ""."""
    is_lectures = notation.letters == NOTATIONS["lectures"].letters
    meaning = notation.letters.get(name, "")
    if name == "a" and is_lectures:  # z and a, or a and h
        before, behind = (
            any(each in used for each in group) for group in (_PREACTIVATIONS, _ACTIVATIONS)
        )
        return "h" if before and not behind else "a" if behind and not before else ""
    if name == "y" and meaning == "y":
        has_target = any(each in used for each in ("t", "target", "ytrue", "label"))
        has_output = any(each in used for each in ("o", "out", "output", "ypred", "yhat"))
        return (
            "h" if has_target and not has_output else "y" if has_output and not has_target else ""
        )
    own = len(name) == 1 and not is_lectures and meaning
    return (
        {"w": "W" if name.isupper() else ""}.get(meaning, meaning)
        if own
        else _WITH_PLACE.get(name, "")
    )


def _layer(word: str, scope: Scope) -> int | None:
    """The number of a layer that is called hidden, output or input."""
    if word == "hidden":
        return 1 if scope.depth == 2 else None
    return {"output": scope.depth, "input": 0}[word]


def _at(letter: str, layer: int, neuron: str, scope: Scope) -> Iterator[str]:
    """The quantity, in the lectures' letters; nothing where there is no such thing."""
    last = layer == scope.depth
    if letter in ("y", "yhat"):
        if last:
            yield f"{letter}_{neuron}" if neuron else letter
    elif letter == "h":
        whole = "yhat" if last else "x" if not layer else f"h_{layer}"
        split = f"h_{layer},{neuron}" if whole[0] == "h" else f"{whole}_{neuron}"
        yield split if neuron else whole
    elif layer and not (letter == "W" and neuron):
        one_bias = letter == "b" and set(scope.biases) == {0}
        if not (one_bias and neuron):
            yield f"{letter}_{layer},{neuron}" if neuron else f"{letter}_{layer}"


def _by_layers(rows: Sequence[Row], scope: Scope) -> Iterator[tuple[str, str]]:
    """W_h and W_o, W_ih and W_ho as whole layers, with z_h, a_o and b_h beside them.

    Not where h and o number neurons, as in a sum over them or below a small w.
    """
    named = {below for below in _below(rows, "W") if below in (*_BETWEEN, "h", "o")}
    counting = {
        mark for name in ("sum", "Σ", "w") for below in _below(rows, name) for mark in below
    }
    if not named or scope.depth != 2 or counting & {*"hoixy"}:
        return
    for below in sorted(named):
        layer = _layer(_BETWEEN.get(below) or _LAYERS[below], scope)
        yield f"W_{below}", f"W_{layer}"
    beside = {letter: {*_below(rows, letter)} & {"h", "o"} for letter in (*"bzsuva", "delta")}
    has_preactivation = any(beside[letter] for letter in "zsuv")
    for letter, found in beside.items():
        meaning = letter if letter in ("b", "delta") else "h" if letter == "a" else "a"
        for below in sorted(found) if letter != "a" or has_preactivation else ():
            layer = _layer(_LAYERS[below], scope)
            if layer is not None:
                yield from ((f"{letter}_{below}", each) for each in _at(meaning, layer, "", scope))


def _by_index_letters(rows: Sequence[Row], scope: Scope) -> Iterator[tuple[str, str]]:
    """Σ_o δ_o w_{ho}: beside net_{h1} the letters i, h and o number the neurons of their layers."""
    if scope.depth != 2:
        return
    for letter in ("net", "out", "target", "t", "delta"):
        for below in sorted({*_below(rows, letter)} & {"h", "o"}):
            layer = _layer(_LAYERS[below], scope)
            if layer is not None:
                meaning = _WITH_PLACE[letter]
                yield from (
                    (f"{letter}_{below}", each) for each in _at(meaning, layer, below, scope)
                )
    for below in sorted({*_below(rows, "w")}):
        if below in ("ho", "oh"):
            yield f"w_{below}", "w_2,o,h"
        elif below in ("ih", "hi"):
            yield f"w_{below}", "w_1,h,i"


def _below(rows: Sequence[Row], name: str) -> Iterator[str]:
    """What stands below a name, wherever it stands, without braces."""
    for tokens, latex in rows:
        for place, token in enumerate(tokens[:-1]):
            if token.text not in (name, f"d{name}"):
                continue
            if tokens[place + 1].kind == "number" and _is_close(tokens, place + 1):  # w5
                yield tokens[place + 1].text
            if tokens[place + 1].kind != "_" or place + 2 == len(tokens):
                continue
            inner, end = _lowered(tokens, place + 2, latex=latex)
            while not latex and inner and tokens[end - 1].kind != "}" and _is_close(tokens, end):
                inner, end = [*inner, tokens[end]], end + 1
            yield "".join(each.text for each in inner)


def _is_close(tokens: Sequence[Token], place: int) -> bool:
    """Whether a number or letters stand close behind the token before."""
    near = tokens[place - 1 : place + 1]
    return len(near) == 2 and near[1].kind in ("name", "number") and near[0].end == near[1].start


def _defined(rows: Sequence[Row]) -> set[str]:
    """The names that begin a statement, before its first relation."""
    return {tokens[0].text for tokens, _ in rows if len(tokens) > 2 and tokens[1].kind in RELATIONS}
