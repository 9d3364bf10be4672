"""Words of error messages: values in short, and unknown names with the nearest of those that are known."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

_LONGEST = 80  # characters that are repeated of what a message holds


def shown(value: object) -> str:
    """A short picture of a value, whatever it is."""
    if isinstance(value, int) and abs(value) >= 10**_LONGEST:
        return f"an integer of more than {_LONGEST} digits"
    if isinstance(value, str | int | float | None):
        return cut(repr(value))
    return f"a value of type {type(value).__name__}"


def cut(text: str) -> str:
    """What is repeated of a message, which may be long."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def entries(number: int) -> str:
    """A number of entries."""
    return "1 entry" if number == 1 else f"{number} entries"


def nearest(name: object, known: Iterable[str]) -> str | None:
    """The known name that is most like another one, whatever the case of its letters; None where none is like it.

    Names that differ in their digits mean different things: `figure-3.7` is no mistyped `figure-3.6`.
    """
    if not isinstance(name, str) or len(name) > _LONGEST:
        return None
    by_lower = {each.lower(): each for each in known if _digits(each) == _digits(name)}
    found = get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def _digits(name: str) -> str:
    return "".join(filter(str.isdecimal, name))


def not_part_of(whole: str, name: object, known: Iterable[str]) -> str:
    """A sentence about a part that a result does not have."""
    names = list(known)
    near = nearest(name, names)
    has = "which has:" if near is None else f"did you mean {near!r}? It has:"
    return f"{name!r} is not part of this {whole}, {has} {', '.join(names)}"


def with_choices(text: str, name: object, known: Sequence[str], verb: str = "allowed are") -> str:
    """A sentence about an unknown name, with the nearest known one and, once, all of them."""
    near = nearest(name, known)
    names = ", ".join(f"'{each}'" for each in known)
    if near is None:
        return f"{text}, {verb} {names}"
    return f"{text}, did you mean '{near}'? {verb.capitalize()} {names}"
