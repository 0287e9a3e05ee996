"""Errors that teach: what was given, what was expected, and the nearest valid thing.

Everything a user can cause is a `SymbackError`, so that one `except` serves the command line and a
notebook alike; anything else that escapes is a defect of symback. `printable` shows a user's text
safely inside a message, `nearest` and `did_you_mean` find the word that was probably meant.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_WORD = 80  # difflib is quadratic: a longer word is no misspelling of anything


class SymbackError(Exception):
    """Base of every error that a user may cause.

    Attributes
    ----------
    message
        The whole message, one line, ready to print.
    """

    message: str

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class FormulaError(SymbackError):
    """A formula that cannot be read, or that means no finite real number.

    Attributes
    ----------
    column
        Where in the formula, counted in characters from 1; None where no place is to blame.
    """

    column: int | None

    def __init__(self, message: str, column: int | None = None) -> None:
        super().__init__(message)
        self.args = (message, column)  # what pickle hands back to __init__
        self.column = column


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the one of `words` that `word` was probably meant to be, or None.

    Letter case is forgiven first, then an unfinished word, then a misspelling.

    >>> nearest("Sigmiod", ["relu", "sigmoid"]), nearest("cross", ["cross_entropy", "huber"])
    ('sigmoid', 'cross_entropy')
    >>> nearest("seven", ["relu", "sigmoid"]) is None
    True
    """
    if len(word) > LONGEST_WORD:
        return None
    plain = {known.casefold(): known for known in sorted(words, reverse=True)}
    wanted = word.casefold()
    if wanted in plain:
        return plain[wanted]
    unfinished = sorted(known for known in plain if len(wanted) > 2 and known.startswith(wanted))
    close = unfinished[:1] or difflib.get_close_matches(wanted, sorted(plain), n=1)
    return plain[close[0]] if close else None


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return the end of a message that suggests the nearest valid word; empty where none is near.

    >>> did_you_mean("sigmod", ["relu", "sigmoid"])
    '; did you mean "sigmoid"?'
    >>> did_you_mean("seven", ["relu", "sigmoid"])
    ''
    """
    near = nearest(word, words)
    return "" if near is None else f'; did you mean "{printable(near)}"?'


def printable(text: str, limit: int = 60) -> str:
    r"""Return a user's text as a message may show it: escaped, and cut with … beyond `limit`.

    Control characters, line ends, direction marks and lone surrogates come out as escapes, so
    that a file cannot write to the terminal through an error message.

    >>> print(printable("a\n\x1b[31mb"), printable("w*x + b", limit=5))
    a\n\x1b[31mb w*x …
    """
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text[: limit + 1]
    )
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
