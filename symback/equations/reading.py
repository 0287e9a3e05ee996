"""Networks as equations, read: a file's tables, or lines of Python, become a checked `System`.

Here one can

* read the tables of a file: `from_tables`; tell them from those of a scalar [equations] file or of
  a [network]: `is_system`;
* read lines ``a[t,i] = …``, as in ``sb.equations("…", sizes=…)``: `from_text`.

Anything wrong raises one `SpecError`, which names the equation, what was given, what was expected.
The passes: names, left sides, right sides (`formulas`), ranges and shapes (`ranges`), bounds
(`bounds`), the order of computation (`ordering`), the loss, values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

from symback.engine.spec import check_printed
from symback.equations import bounds, ordering, ranges
from symback.equations.formulas import RESERVED, Left, Names, read_left, read_right, read_size
from symback.equations.indices import Affine, Moves, least, number
from symback.equations.places import Site, sites
from symback.equations.ranges import Draft
from symback.equations.system import Definition, Kind, Quantity, System
from symback.language import names as names_of
from symback.language import tables
from symback.language.errors import SymbackError, printable
from symback.language.tables import Place, SpecError

OWN_TABLES = ("sizes", "parameters", "inputs", "indices", "pad", "ranges")
TOP_KEYS = ("title", "loss", *OWN_TABLES, "equations", "values", "goals")
MOST_EQUATIONS = 500
MOST_NAMES = 1_000
MOST_INDICES = 8  # of one array
MOST_TEXT = 100_000  # characters of all equations
LARGEST_SIZE = 10**7
MOST_NUMBERS = 2_000_000  # of one array given in [values]


_Sizes: TypeAlias = Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class _Line:
    """An equation as written."""

    left: str
    right: Any
    place: Place


@dataclass(frozen=True, slots=True)
class _Declared:
    """What a file says before its equations."""

    sizes: _Sizes
    quantities: tuple[Quantity, ...]
    names: Names
    ranges: Mapping[str, Affine]
    pad: Mapping[str, Fraction]
    moves: Moves = field(default_factory=dict)


# ----------------------------------------------------------------------------------- the ways in


def is_system(mapping: Mapping[str, Any]) -> bool:
    """Whether a file's tables are those of equations in index notation.

    >>> is_system({"equations": {"s": "w*x"}}), is_system({"equations": {"h[i]": "w[i]"}})
    (False, True)
    """
    table = mapping.get("equations")
    if "network" in mapping:
        return False
    has_indices = isinstance(table, Mapping) and any("[" in str(key) for key in table)
    return has_indices or any(key in mapping for key in OWN_TABLES)


def from_tables(mapping: Mapping[str, Any], source: str) -> System:
    """The system of a file's tables; numbers are `decimal.Decimal` or Python's; raises `SpecError`.

    >>> system = from_tables(
    ...     {
    ...         "parameters": {"w": ["n"]},
    ...         "sizes": {"n": "n"},
    ...         "equations": {"L": "sum(i, w[i]**2)"},
    ...     },
    ...     "net.toml",
    ... )
    >>> print(system.definitions[0].term.range)
    i=1..n
    """
    place = Place(tables.one_line(source))
    mapping = tables.table_of(mapping, TOP_KEYS, place)
    here = place.within("equations")
    table = tables.required(mapping, "equations", "the equations of the network", place)
    if not isinstance(table, Mapping) or not table:
        here.expected('lines such as "h[t,i]" = "tanh(a[t,i])"', table)
    lines = [_Line(left, right, here.key(left)) for left, right in table.items()]
    return _system(mapping, lines, place)


def from_text(
    text: str,
    *,
    sizes: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Any] | None = None,
    indices: Mapping[str, Any] | None = None,
    pad: Mapping[str, Any] | None = None,
    ranges: Mapping[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
    loss: str | None = None,
    title: str = "",
    source: str = "equations(...)",
) -> System:
    """The system of lines ``a[t,i] = …``; the other tables are those of a file.

    A line may go on inside brackets; ``#`` begins a comment.

    >>> system = from_text("L = sum(i, w[i]**2)", sizes={"n": 2}, parameters={"w": ["n"]})
    >>> system.target, system.sizes
    ('L', {'n': 2})
    """
    given = {
        "sizes": sizes, "parameters": parameters, "inputs": inputs, "indices": indices,
        "pad": pad, "ranges": ranges, "values": values, "loss": loss, "title": title,
    }  # fmt: skip
    place = Place(tables.one_line(source))
    lines = list(_lines(text, place))
    if not lines:
        place.fail("there are no equations; write one a line, such as L = sum(i, w[i]**2)")
    return _system({key: each for key, each in given.items() if each is not None}, lines, place)


def _lines(text: Any, place: Place) -> Iterator[_Line]:
    if not isinstance(text, str):
        place.expected("the equations as text, one a line", text)
    if len(text) > MOST_TEXT:
        place.fail(f"{len(text):,} characters of equations, expected at most {MOST_TEXT:,}")
    held, first, depth = "", 0, 0
    for count, line in enumerate(text.splitlines(), 1):
        plain = line.partition("#")[0]
        if not held:
            first = count
        held += plain
        depth += sum(plain.count(sign) for sign in "([") - sum(plain.count(sign) for sign in ")]")
        if depth > 0:
            held += " "
            continue
        if held.strip():
            yield _line(held, replace(place, table=f"line {first}:"))
        held, depth = "", 0
    if held.strip():
        yield _line(held, place.within(f"line {first}"))


def _line(text: str, place: Place) -> _Line:
    left, sign, right = text.partition("=")
    if not sign:
        place.fail(f'"{printable(text.strip())}" has no equals sign; write a[t,i] = …')
    at = " " * (len(left) + 1)  # so that columns are those of the line
    return _Line(left.strip(), at + right, place.key(left.strip()))


# ---------------------------------------------------------------------------------- the pipeline


def _system(mapping: Mapping[str, Any], lines: Sequence[_Line], place: Place) -> System:
    declared = _declared(mapping, place)
    if len(lines) > MOST_EQUATIONS:
        place.fail(f"{len(lines):,} equations given, expected at most {MOST_EQUATIONS:,}")
    if sum(len(line.right) for line in lines if isinstance(line.right, str)) > MOST_TEXT:
        place.fail(f"the equations have more than {MOST_TEXT:,} characters")
    drafts = _drafts(lines, declared)
    shapes = {quantity.name: quantity.shape for quantity in declared.quantities}
    definitions, computed = ranges.find(drafts, shapes, declared.ranges, declared.moves)
    computed_ones = tuple(
        Quantity(name, Kind.COMPUTED, shape, declared.pad.get(name))
        for name, shape in computed.items()
    )
    quantities = (*declared.quantities, *computed_ones)
    by_name = {quantity.name: quantity for quantity in quantities}
    bounds.check(definitions, by_name, declared.moves)
    groups = ordering.groups(definitions, computed, declared.moves)
    target = _target(mapping, lines, drafts, by_name, place)
    _check_depends(target, definitions, by_name, place)
    given = mapping.get("values", {})
    return System(
        sizes=declared.sizes,
        quantities=quantities,
        groups=groups,
        target=target,
        values=_values(given, quantities, declared, place.within("values")),
        learning_rate=_learning_rate(given, place.within("values")),
        title=tables.title_of(mapping, {}, place),
        source=place.source,
        goals=tables.goals_of(mapping, place),
    )


# ------------------------------------------------------------------------------ what is declared


def _declared(mapping: Mapping[str, Any], place: Place) -> _Declared:
    sizes = _sizes(_part(mapping, "sizes", place), place.within("sizes"))
    quantities: dict[str, Quantity] = {}
    kinds = {"parameters": Kind.PARAMETER, "inputs": Kind.INPUT, "indices": Kind.DATA}
    for table, kind in kinds.items():
        here = place.within(table)
        for name, entry in _part(mapping, table, place).items():
            _check_name(name, here.key(name))
            if name in sizes or name in quantities:
                other = "a size" if name in sizes else "given"
                here.key(name).fail(f"{name} is {other} already; choose another name")
            quantities[name] = _quantity(name, kind, entry, sizes, here.key(name))
    if len(quantities) > MOST_NAMES:
        place.fail(f"{len(quantities):,} arrays given, expected at most {MOST_NAMES:,}")
    here = place.within("pad")
    pad = {
        name: Fraction(tables.exact_number(value, here.key(name)))
        for name, value in _part(mapping, "pad", place).items()
    }
    here = place.within("ranges")
    stated = {
        name: _size(value, sizes, here.key(name))
        for name, value in _part(mapping, "ranges", place).items()
    }
    ranks = {name: len(each.shape) for name, each in quantities.items()}
    data = frozenset(name for name, each in quantities.items() if each.kind is Kind.DATA)
    return _Declared(
        sizes=sizes,
        quantities=tuple(
            replace(each, pad=pad.get(name)) if each.kind is not Kind.DATA else each
            for name, each in quantities.items()
        ),
        names=Names(frozenset(sizes), ranks, data),
        ranges=stated,
        pad=pad,
        moves=_numbers(sizes),
    )


def _part(mapping: Mapping[str, Any], key: str, place: Place) -> Mapping[str, Any]:
    table = mapping.get(key, {})
    if not isinstance(table, Mapping):
        place.within(key).expected("a table", table)
    if len(table) > MOST_NAMES:
        place.within(key).fail(f"{len(table):,} names given, expected at most {MOST_NAMES:,}")
    return table


def _check_name(name: Any, place: Place) -> None:
    if isinstance(name, str) and (name in RESERVED or name == "learning_rate"):
        place.fail("this word has a meaning of its own here; choose another name")
    tables.check_name(name, place)


def _sizes(table: Mapping[str, Any], place: Place) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for name, value in table.items():
        here = place.key(name)
        _check_name(name, here)
        whole = tables.whole(value)
        if whole is not None and not 1 <= whole <= LARGEST_SIZE:
            here.expected(f"a whole number from 1 to {LARGEST_SIZE:,}", whole)
        if whole is None and value != name:
            here.expected(f'a whole number, or "{name}" for a size that stays a letter', value)
        found[name] = whole
    return found


def _numbers(sizes: _Sizes) -> Moves:
    return {name: number(value) for name, value in sizes.items() if value is not None}


def _quantity(name: str, kind: Kind, entry: Any, sizes: _Sizes, place: Place) -> Quantity:
    if kind is not Kind.DATA:
        return Quantity(name, kind, _shape(entry, sizes, place))
    table = tables.table_of(entry, ("shape", "below"), place)
    shape = tables.required(table, "shape", 'a shape such as ["T"]', place)
    below = tables.required(table, "below", "the largest number that it holds", place)
    return Quantity(
        name,
        kind,
        _shape(shape, sizes, place.key("shape")),
        below=_size(below, sizes, place.key("below")),
    )


def _shape(value: Any, sizes: _Sizes, place: Place) -> tuple[Affine, ...]:
    if not tables.is_list(value) or len(value) > MOST_INDICES:
        place.expected(
            f'a list of at most {MOST_INDICES} sizes such as ["n", "d"], or [] for a scalar', value
        )
    return tuple(_size(each, sizes, place.item(count)) for count, each in enumerate(value, 1))


def _size(value: Any, sizes: _Sizes, place: Place) -> Affine:
    """A size: a whole number, a name of [sizes], or a sum of these."""
    whole = tables.whole(value)
    if whole is not None:
        if not 1 <= whole <= LARGEST_SIZE:
            place.expected(f"a whole number from 1 to {LARGEST_SIZE:,}", whole)
        return number(whole)
    if not isinstance(value, str):
        place.expected('a whole number, or a size such as "n"', value)
    try:
        found = read_size(value, Names(sizes=frozenset(sizes)), str(place))
    except SymbackError as error:
        raise SpecError(error.message) from None
    given = bounds.number_of(found, _numbers(sizes))
    bound = least(given.times(-1), ())
    if bound is not None and bound >= 0:
        shown = f" = {given}" if given != found else ""
        place.fail(f"{found}{shown} is never above 0, and a size is at least 1")
    return found


# ------------------------------------------------------------------------------------ equations


def _drafts(lines: Sequence[_Line], declared: _Declared) -> list[Draft]:
    """The equations as read."""
    lefts = [_left(line, declared.names) for line in lines]
    ranks = dict(declared.names.ranks)
    for line, left in zip(lines, lefts, strict=True):
        rank = ranks.setdefault(left.name, len(left.at))
        if rank != len(left.at):
            line.place.fail(f"{left.name} has {len(left.at)} indices here and {rank} above")
    names = replace(declared.names, ranks=ranks)
    check_printed((*ranks, *declared.sizes), lines[0].place)
    _check_elements(ranks, lines[0].place)
    drafts = [_draft(line, left, names) for line, left in zip(lines, lefts, strict=True)]
    _check_definitions(drafts)
    _check_uses(drafts, declared, names, lines[0].place)
    return drafts


def _left(line: _Line, names: Names) -> Left:
    if not isinstance(line.left, str):
        line.place.fail('an equation is called by its left side, such as "h[t,i]"')
    try:
        left = read_left(line.left, names, str(line.place))
    except SymbackError as error:
        raise SpecError(error.message) from None
    _check_name(left.name, line.place)
    if left.name in names.sizes:
        line.place.fail(f"{left.name} is a size; an equation computes an array")
    if left.name in names.ranks:
        line.place.fail(f"{left.name} is given, so it is not computed; choose another name")
    if len(left.at) > MOST_INDICES:
        line.place.fail(f"{len(left.at)} indices, expected at most {MOST_INDICES}")
    return left


def _draft(line: _Line, left: Left, names: Names) -> Draft:
    place = str(line.place)
    letters = tuple(
        index.bare for index in left.at if index.bare is not None and index.bare not in names.sizes
    )
    for index in left.at:
        stray = sorted(index.names - names.sizes - {*letters})
        if stray:
            line.place.fail(f"{index} on the left side: write a letter, a number or a size there")
    for letter in letters:
        if letters.count(letter) > 1:
            line.place.fail(f"{letter} stands twice on the left side; write two letters")
        if names.kind(letter):
            line.place.fail(f"{letter} is {names.kind(letter)} and no index; take another letter")
    try:
        right = read_right(line.right, frozenset(letters), names, place)
    except SymbackError as error:
        raise SpecError(error.message) from None
    written = f"{line.left} = {' '.join(line.right.split())}"
    return Draft(left.name, left.at, letters, right.term, right.explicit, written, place)


def _check_uses(drafts: Sequence[Draft], declared: _Declared, names: Names, place: Place) -> None:
    """Refuse a name of [pad] or [ranges] that nothing has."""
    may_be_padded = [name for name in names.ranks if name not in names.data]
    for name in declared.pad:
        if name not in may_be_padded:
            place.within("pad").key(name).fail(
                f"no array that may be padded has this name{tables.nearest_of(name, may_be_padded)}"
            )
    letters = {ranges.shown_letter(own) for draft in drafts for own in ranges.own_letters(draft)}
    for name in declared.ranges:
        if name not in letters:
            kind = names.kind(name) if isinstance(name, str) else ""
            problem = f"this is {kind} and no index" if kind else "no equation has this index"
            near = tables.nearest_of(name, letters)
            place.within("ranges").key(name).fail(f"{problem}{near}")


def _check_elements(ranks: Mapping[str, int], place: Place) -> None:
    """Refuse names whose elements are written alike: W_11 is W[1,1] and the first of W1."""
    for name, rank in ranks.items():
        letter, digits = names_of.split_name(name)
        if digits and not digits.startswith("0") and ranks.get(letter) == len(digits) + rank:
            place.fail(
                f"{letter} and {name}: an element of each would be written {letter}_"
                f"{digits}{'1' * rank}; rename one of them"
            )


def _check_definitions(drafts: Sequence[Draft]) -> None:
    """Refuse an array with two general equations, or with none."""
    general: dict[str, Draft] = {}
    for draft in drafts:
        if not draft.is_base:
            other = general.setdefault(draft.name, draft)
            if other is not draft:
                raise SpecError(
                    f"{draft.place}: {draft.name} is computed already, by {other.written}"
                )
    for draft in drafts:
        if draft.name not in general:
            raise SpecError(
                f"{draft.place}: {draft.name} has no general equation, only elements; write one "
                f"with a letter for each index"
            )


# ------------------------------------------------------------------------------------- the loss


def _target(
    mapping: Mapping[str, Any],
    lines: Sequence[_Line],
    drafts: Sequence[Draft],
    quantities: Mapping[str, Quantity],
    place: Place,
) -> str:
    computed = [draft.name for draft in drafts]
    if "loss" in mapping:
        here = place.key("loss")
        name = tables.one_of(mapping["loss"], dict.fromkeys(computed), here)
    else:
        here, name = lines[-1].place, computed[-1]
    if quantities[name].shape:
        advice = 'the last equation is differentiated, or loss = "NAME" at the top'
        here.fail(f"the loss is a scalar, and {name} is an array; {advice}")
    return name


def _check_depends(
    target: str,
    definitions: Sequence[Definition],
    quantities: Mapping[str, Quantity],
    place: Place,
) -> None:
    """Refuse a loss that no parameter has to do with."""
    reached, waiting = {target}, [target]
    while waiting:
        name = waiting.pop()
        for definition in definitions:
            if definition.name == name:
                for site in sites(definition.term, Site(definition.lhs)):
                    if site.read.array not in reached:
                        reached.add(site.read.array)
                        waiting.append(site.read.array)
    parameters = [name for name, each in quantities.items() if each.kind is Kind.PARAMETER]
    if not reached & {*parameters}:
        known = f"none of {', '.join(parameters)}" if parameters else "there are no [parameters]"
        place.fail(f"the loss {target} depends on no parameter ({known}), so nothing is trained")


# --------------------------------------------------------------------------------------- values


def _values(
    table: Any, quantities: Sequence[Quantity], declared: _Declared, place: Place
) -> dict[str, Any]:
    if not isinstance(table, Mapping):
        place.expected("a table of numbers", table)
    known = {each.name: each for each in quantities if each.kind is not Kind.COMPUTED}
    computed = {each.name for each in quantities} - known.keys()
    found = {}
    for name, value in table.items():
        if name == "learning_rate":
            continue
        if name in computed:
            place.key(name).fail("this is computed, so it takes no value")
        if name not in known:
            words = (*known, "learning_rate")
            tables.unknown_key(name, words, place, "no array has this name, expected one of")
        found[name] = _array(value, known[name], declared, place.key(name))
    return found


def _array(value: Any, quantity: Quantity, declared: _Declared, place: Place) -> Any:
    shape = [bounds.number_of(size, declared.moves) for size in quantity.shape]
    open_ones = sorted(frozenset().union(*(size.names for size in shape)))
    if open_ones:
        place.fail(
            f"numbers need sizes, and {', '.join(open_ones)} of [sizes] "
            f"{'is' if len(open_ones) == 1 else 'are'} symbolic; write whole numbers there, or "
            "leave the values out"
        )
    below = None
    if quantity.below is not None:
        size = bounds.number_of(quantity.below, declared.moves)
        if not size.is_number:
            place.fail(f"these are numbers up to {size}, which is symbolic in [sizes]")
        below = size.constant
    total = 1
    for size in shape:
        total *= size.constant
    if total > MOST_NUMBERS:
        place.fail(f"{total:,} numbers are expected here, more than {MOST_NUMBERS:,}")
    return _nested(tables.plain(value), [size.constant for size in shape], below, place)


def _nested(value: Any, shape: Sequence[int], below: int | None, place: Place) -> Any:
    if not shape:
        if below is None:
            return Fraction(tables.exact_number(value, place))
        whole = tables.whole(value)
        if whole is None or not 1 <= whole <= below:
            place.expected(f"a whole number from 1 to {below:,}", value)
        return whole
    wanted = f"{' × '.join(map(str, shape))} numbers, nested lists, the first index outside"
    if not tables.is_list(value) or len(value) != shape[0]:
        place.expected(f"a list of {shape[0]} ({wanted})" if len(shape) > 1 else wanted, value)
    return tuple(
        _nested(tables.plain(each), shape[1:], below, place.item(count))
        for count, each in enumerate(value, 1)
    )


def _learning_rate(table: Mapping[str, Any], place: Place) -> Fraction | None:
    rate: Decimal | None = tables.learning_rate_of(table, place)
    return None if rate is None else Fraction(rate)
