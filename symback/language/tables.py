"""A table of a TOML file, or the same in Python: what is there, where, and what is wrong with it.

Here one can

* read a file: `read_toml`, numbers as `decimal.Decimal`;
* say where something stands: `Place`; `Place.fail` and `Place.expected` raise the one `SpecError`
  that names the source, the place (``[network] layers[2].units``, counted from 1), what was given
  and what was expected;
* take what a table holds: `table_of`, `required`, `one_of`, `title_of`, `goals_of`, `check_name`,
  `exact_number`, `number_row`, `learning_rate_of`.
"""

from __future__ import annotations

import keyword
import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from numbers import Integral
from pathlib import Path
from typing import Any, NoReturn

from symback.language import files, functions, reading
from symback.language.errors import SymbackError, did_you_mean, printable

LARGEST_FILE = 2_000_000  # bytes
MOST_DIGITS = 100  # of one number
LARGEST_EXPONENT = 1_000  # of a zero, such as 0e999999, whose power of ten SymPy would compute
LONGEST_TITLE = 200
LONGEST_NAME = 100
MOST_GOALS = 200

Row = tuple[Decimal, ...]
Rows = tuple[Row, ...]


class SpecError(SymbackError):
    """A network file, or the same in Python, that says something symback cannot use."""


# tomllib takes time quadratic in the parts of a dotted key (8,000 parts: 1 s).
_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-]){_PART}(?:[ \t]*\.[ \t]*{_PART}){{20}}")


def read_toml(path: str | Path, place: Place) -> dict[str, Any]:
    """Return what a file holds; every way in which there is nothing has its sentence."""
    try:
        data = files.content(path, LARGEST_FILE)
        text = data.decode("utf-8").removeprefix("\ufeff")
    except files.CannotRead as error:
        wrong_kind = error.message.startswith("this is")
        place.fail(error.message + ", expected a network file (TOML)" * wrong_kind)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        place.fail(f"the file is not UTF-8: byte {byte:#04x} at offset {error.start}")
    if _LONG_KEY.search(text):
        place.fail("a key of more than 20 parts joined by dots")
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except RecursionError:
        place.fail("the file's brackets are nested too deeply")
    except tomllib.TOMLDecodeError as error:
        place.fail(f"not TOML: {one_line(str(error))}")
    except (ValueError, InvalidOperation):  # an int too long, an exponent beyond even Decimal's
        place.fail("it holds a number far too long or too large to be read")


# ------------------------------------------------------------------------ places and what is there


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: source, table, and the path in the table."""

    source: str
    table: str = ""
    path: str = ""

    def within(self, table: str) -> Place:
        """The same source, in another table."""
        return Place(self.source, f"[{table}]")

    def key(self, key: object) -> Place:
        """A key of the table, or of the table in it."""
        plain = isinstance(key, str) and re.fullmatch(r"\w{1,40}", key)
        name = key if plain else shown(key)
        return Place(self.source, self.table, f"{self.path}.{name}" if self.path else f"{name}")

    def item(self, *numbers: int) -> Place:
        """An item of the list that stands here, counted from 1."""
        return Place(self.source, self.table, self.path + "".join(f"[{n}]" for n in numbers))

    def __str__(self) -> str:
        where = " ".join(part for part in (self.table, self.path) if part)
        return f"{self.source}: {where}" if where else self.source

    def fail(self, problem: str) -> NoReturn:
        """Raise `SpecError`: what is wrong here."""
        raise SpecError(f"{self}: {problem}") from None

    def expected(self, expected: str, given: object) -> NoReturn:
        """Raise `SpecError`: what was given here and what was expected."""
        self.fail(f"{shown(given)} given, expected {expected}")


def shown(value: object) -> str:
    """Return what was given, safe to print: short, on one line."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{printable(value)}"'
        case int():
            bits = value.bit_length()
            return str(value) if bits < 100 else f"a number of {bits} bits"
        case float() | Decimal():
            return one_line(str(value))
        case Mapping():
            return "a table"
        case list() | tuple():
            return f"a list of {len(value)}" if value else "an empty list"
    return "nothing" if value is None else one_line(f"a {type(value).__name__}")


def one_line(text: str) -> str:
    """Return ``text`` escaped; of a long one both ends, since tomllib says the line at the end."""
    if len(text) <= 200:
        return printable(text, limit=1_000)
    return f"{printable(text[:100], limit=500)}…{printable(text[-80:], limit=500)}"


def quoted(words: Iterable[str]) -> str:
    """Words as a message lists them: ``"a", "b"``."""
    return ", ".join(f'"{word}"' for word in words)


def counted(number: int, noun: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def plain(value: Any) -> Any:
    """Return NumPy's arrays and numbers as Python's."""
    if type(value) is Decimal or not hasattr(value, "tolist") or isinstance(value, type):
        return value
    return value.tolist()


def is_list(value: Any) -> bool:
    """Whether it is a list or a tuple."""
    return isinstance(value, (list, tuple))


def whole(value: Any) -> int | None:
    """Return ``value`` where it is a whole number and not a truth value."""
    value = value if type(value) is int else plain(value)
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) else None


def table_of(value: Any, known: Sequence[str], place: Place) -> Mapping[str, Any]:
    """Return a table whose keys are all known."""
    if not isinstance(value, Mapping):
        place.expected(f"a table with the keys {', '.join(known)}", value)
    for key in value:
        if key not in known:
            unknown_key(key, known, place, "unknown key, expected one of")
    return value


def unknown_key(key: object, known: Sequence[str], place: Place, problem: str) -> NoReturn:
    """Refuse a key, with the nearest that is known."""
    place.key(key).fail(f"{problem} {', '.join(known)}{nearest_of(key, known)}")


def nearest_of(word: object, known: Iterable[str]) -> str:
    """The end of a message that suggests the nearest valid word, where a word was given."""
    return did_you_mean(word, known) if isinstance(word, str) else ""


def required(table: Mapping[str, Any], key: str, expected: str, place: Place) -> Any:
    """What stands under a key that has to be there."""
    if key not in table:
        place.fail(f"{key} is missing, expected {expected}")
    return table[key]


def one_of(value: Any, known: Iterable[str], place: Place) -> str:
    """Return a word that has to be one of those known."""
    known = tuple(known)
    if not isinstance(value, str) or value not in known:
        place.expected(f"one of {quoted(known)}{nearest_of(value, known)}", value)
    return value


def title_of(mapping: Mapping[str, Any], table: Mapping[str, Any], place: Place) -> str:
    """The title, given at the top of a file or in [network]."""
    if "title" in mapping and "title" in table:
        place.key("title").fail("given twice, here and in [network]; expected one title")
    title = table.get("title", mapping.get("title", ""))
    if not isinstance(title, str) or not title.isprintable() or len(title) > LONGEST_TITLE:
        here = place.within("network") if "title" in table else place
        here.key("title").expected(f"one line of at most {LONGEST_TITLE} characters", title)
    return title


def goals_of(mapping: Mapping[str, Any], place: Place) -> tuple[str, ...]:
    """Return the names of ``[goals] wrt``; whether the network has them, `work.Work` says."""
    here = place.within("goals")
    if "goals" not in mapping:
        return ()
    table = table_of(mapping["goals"], ("wrt",), here)
    names = required(table, "wrt", _GOALS, here)
    here = here.key("wrt")
    if not is_list(names) or not names:
        here.expected(_GOALS, names)
    if len(names) > MOST_GOALS:
        here.fail(f"{len(names):,} names given, expected at most {MOST_GOALS}")
    for n, name in enumerate(names, 1):
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
            here.item(n).expected('a name such as "w_212"', name)
    return tuple(names)


_GOALS = 'a list of names such as ["w_212", "b_21"]'


# ------------------------------------------------------------------------------- names, numbers


def check_name(name: Any, place: Place) -> None:
    """Refuse what is no name, or a name that formulas or kernels know otherwise."""
    if not isinstance(name, str) or re.fullmatch(r"[^\W\d_]\w{,39}", name) is None:
        place.fail("expected a name: a letter, then letters, digits or _, at most 40")
    if name in {*reading.FUNCTIONS, *reading.ALIASES, *reading.CONSTANTS, *functions.ACTIVATIONS}:
        place.fail("formulas know this word as a function or a constant; choose a new name")
    if not reading.is_name(name):
        place.fail("formulas read Latin and Greek letters only; choose a new name")
    if keyword.iskeyword(name):
        place.fail("this is a word of Python, and kernels are Python; choose a new name")


def exact_number(value: Any, place: Place, *numbers: int) -> Decimal:
    """Return a number as written, a float by its shortest spelling.

    ``numbers`` are its indices at ``place``, for the message.
    """
    exact = plain(value)
    if isinstance(exact, float):
        exact = Decimal(float.__repr__(exact))
    elif isinstance(exact, Integral) and not isinstance(exact, bool):
        number = int(exact)  # Decimal takes time quadratic in the digits
        exact = Decimal(number if number.bit_length() < 1_100 else "Infinity")
    elif not isinstance(exact, Decimal):
        place.item(*numbers).expected("a number", value)
    if not exact.is_finite():
        place.item(*numbers).expected("a finite number", value)
    if len(exact.as_tuple().digits) > MOST_DIGITS:
        place.item(*numbers).expected(f"at most {MOST_DIGITS} digits", exact)
    double = float(exact)
    lost = math.isinf(double) or (double == 0) != (exact == 0)
    if lost or abs(exact.adjusted()) > LARGEST_EXPONENT:
        place.item(*numbers).expected("0 or a double, from 5e-324 to 1.8e308 in size", exact)
    return exact


def number_row(value: Any, size: int, place: Place, *numbers: int) -> Row:
    """Return ``size`` numbers."""
    if not is_list(value) or len(value) != size:
        place.item(*numbers).expected(counted(size, "number"), value)
    return tuple(exact_number(number, place, *numbers, n) for n, number in enumerate(value, 1))


def number_rows(value: Any, size: int, place: Place) -> Rows:
    """Return rows of ``size`` numbers."""
    return tuple(number_row(row, size, place, n) for n, row in enumerate(value, 1))


def learning_rate_of(table: Mapping[str, Any], place: Place) -> Decimal | None:
    """The learning rate in a table of values, a number above 0, or None."""
    if "learning_rate" not in table:
        return None
    rate = exact_number(table["learning_rate"], place.key("learning_rate"))
    if rate <= 0:
        place.key("learning_rate").expected("a number above 0", rate)
    return rate
