"""Lemmas: statements about functions of one real variable, which hold for every number or for none.

σ'(x) = σ(x)(1 - σ(x)) is no line about the network's input x: its x is any number.  Here one can

* find the letter that is the variable of a statement: `lemma_of`.  It is the only letter there,
  stands without indices, and a function is applied to it or something differentiated by it;
* find the function that a statement defines, as f in f(u) = u(1 - u): `function_defined`.

In σ' = σ(1 - σ) the functions stand without arguments: each is meant at the same variable, and a
bracket behind one is a factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symback.checking.letters import PRIMES, Letters
from symback.checking.tokens import CLOSING, FUNCTIONS, RELATIONS, Token, split
from symback.language.names import GREEK_NAMES

VARIABLE = "z"
"""What the variable is called where a statement names none."""

_NO_VARIABLES = frozenset(("L", "J", "C", "E", "e", "d", "i", "j", "k", "l", "m", "n", "ell"))
"""Letters that number something, or have a meaning of their own."""
_NO_LEMMA = frozenset(("∇", "‖", "⊙", "⊗", "⊤", "@", "...", "←"))
"""Signs between arrays, and steps."""
_OF_ARRAYS = frozenset(("softmax", "diag", "outer", "dot", "norm", "sum", "prod", "O"))
_WORDS = frozenset(("if", "otherwise", "else", "and", "indicator", "pi", "np", "for"))


@dataclass(frozen=True, slots=True)
class Lemma:
    """The variable of a statement.

    ``bare``: functions stand there without arguments.  ``defines`` is the function of the page's
    own that it says what is, or "".
    """

    letter: str
    bare: bool = False
    defines: str = ""


def lemma_of(tokens: Sequence[Token], letters: Letters) -> Lemma | None:
    """What a statement is a lemma about; None where it is about the network, or about numbers."""
    found = _Found(letters)
    if any(token.kind in _NO_LEMMA for token in tokens) or not found.reads(tokens):
        return None
    if len(found.variables) > 1 or not (found.bare or found.applied):
        return None
    letter = next(iter(found.variables), VARIABLE)
    if not found.variables and not found.bare:  # σ(0) = 1/2
        return None
    known = letters.is_name(letter) or letter in (*_NO_VARIABLES, "eta", letters.notation.loss)
    if known or any(_is_decimal(side) for side in split(tokens, RELATIONS)):
        return None
    return Lemma(letter, not found.stands, function_defined(tokens, letters))


def goes_on(tokens: Sequence[Token], letters: Letters, lemma: Lemma) -> Lemma | None:
    """The lemma of a line "= …" below one; None where it names something else."""
    found = _Found(letters)
    fits = found.reads(tokens) and found.variables <= {lemma.letter}
    return Lemma(lemma.letter, found.bare and not found.stands) if fits else None


def function_defined(tokens: Sequence[Token], letters: Letters) -> str:
    """The function of the page's own that a statement defines, or "".

    σ is one where no layer has the sigmoid: else σ(x) = … is a claim.
    """
    kinds = [token.kind for token in tokens[:5]]
    if kinds[:4] != ["name", "(", "name", ")"] or kinds[4:] not in (["="], [":="]):
        return ""
    name, variable = tokens[0].text, tokens[2].text
    known = name in FUNCTIONS or name in _OF_ARRAYS or letters.means_quantity(name)
    if known or name in (*_NO_VARIABLES, letters.notation.loss) or letters.is_name(name):
        return ""
    if name == "sigma" and not letters.notation.generic_sigma:
        return "" if "sigmoid" in letters.scope.activations else name
    return name if _is_letter(variable) else ""


class _Found:
    """What is seen in the tokens of a statement."""

    def __init__(self, letters: Letters) -> None:
        self.letters = letters
        self.variables: set[str] = set()
        self.applied = self.bare = self.stands = False
        """Whether a function is applied, one stands without argument, and the variable stands
        anywhere but below a ∂."""

    def reads(self, tokens: Sequence[Token]) -> bool:
        """Look at all tokens; False where one belongs to no lemma."""
        return all(self._fits(tokens, place) for place in range(len(tokens)))

    def _fits(self, tokens: Sequence[Token], place: int) -> bool:
        token, following = tokens[place], tokens[place + 1 : place + 2]
        after = following[0].kind if following else ""
        before = tokens[place - 1].text if place else ""
        if token.kind == "begin":
            return token.text == "cases"
        if token.kind == "command":
            return token.text not in ("hat", "widehat", "bar", "tilde")
        if token.kind == "∂":
            self.applied = True
        if token.kind == "_":
            return before == "1" or before in FUNCTIONS or before == "indicator"
        if token.kind != "name" or token.text in _WORDS:
            return True
        text = token.text
        if text == "e":
            self.applied |= after == "^"
            return after == "^"
        if is_function(text, self.letters):
            argument = behind_primes(tokens, place + 1)
            alone = argument not in ("(", "[", "{", "name", "number", "command")
            self.applied, self.bare = self.applied or not alone, self.bare or alone
            return text not in _OF_ARRAYS
        below = before in ("∂", "d") and place > 1 and tokens[place - 2].kind in ("/", "{")
        if text == "d":
            self.applied = True
            return after in ("name", "/", "}", "(", "command", "[")
        if len(text) > 1 and text[0] == "d" and is_function(text[1:], self.letters):
            self.applied = self.bare = True
            return True
        if len(text) > 1 and text[0] == "d" and _is_letter(text[1:]) and before == "/":
            text, below = text[1:], True
        if not _is_letter(text) or after in ("_", *PRIMES):
            return False
        self.variables.add(text)
        self.stands |= not below
        return True


def is_function(text: str, letters: Letters) -> bool:
    """Whether a name is that of a function, also where it stands without argument."""
    if letters.is_name(text):
        return False
    own = (*letters.own_functions, *letters.functions, letters.notation.function)
    return text in FUNCTIONS or text == "sigma" or text in own or letters.is_generic(text)


def behind_primes(tokens: Sequence[Token], place: int) -> str:
    """The kind of what stands behind the name of a function, its primes and powers."""
    while place < len(tokens) and tokens[place].kind in ("^", "_", *PRIMES):
        if tokens[place].kind in PRIMES:
            place += 1
            continue
        place += 1
        pending: list[str] = []
        while place < len(tokens):
            kind = tokens[place].kind
            if kind in CLOSING:
                pending.append(CLOSING[kind])
            elif pending and kind == pending[-1]:
                pending.pop()
            place += 1
            if not pending:
                break
    return tokens[place].kind if place < len(tokens) else ""


def _is_letter(text: str) -> bool:
    return len(text) == 1 or text in GREEK_NAMES or text == "yhat"


def _is_decimal(side: Sequence[Token]) -> bool:
    """Whether a side holds decimal numbers and neither a letter nor a function."""
    names = any(token.kind == "name" and token.text not in _WORDS for token in side)
    return not names and any(token.kind == "number" and "." in token.text for token in side)
