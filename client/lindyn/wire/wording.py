"""Parts of error messages: abbreviated values, and suggestions for unknown names."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from types import NoneType

_MAX_LENGTH = 80  # characters of a value or a name in a message
_CONSTANTS = {None: "null", True: "true", False: "false"}
_JSON_TYPES = {NoneType: "null", bool: "boolean", str: "text", dict: "object", int: "integer", float: "number"}


def shown(value: object) -> str:
    """Return a short representation of a value of any type."""
    if isinstance(value, int) and abs(value) >= 10**_MAX_LENGTH:
        return f"an integer of more than {_MAX_LENGTH} digits"
    if isinstance(value, str | int | float | None):
        return cut(repr(value))
    return f"a value of type {type(value).__name__}"


def shown_json(value: object) -> str:
    """Return a short representation of a value of a JSON document, with the constants of JSON."""
    if isinstance(value, bool | None):
        return _CONSTANTS[value]
    return f"a value of type {_JSON_TYPES[dict]}" if isinstance(value, dict) else shown(value)


def json_type(kind: type) -> str:
    """Return the name of a type of values in JSON documents."""
    return _JSON_TYPES.get(kind, kind.__name__)


def cut(text: str) -> str:
    """Abbreviate a text."""
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 3]}..."


def entries(number: int) -> str:
    """Return the phrase for a number of entries."""
    return "1 entry" if number == 1 else f"{number} entries"


def nearest(name: object, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to a name, ignoring case, or None.

    Names with different digits never count as similar, so that `figure-3.7` does not suggest `figure-3.6`.
    """
    if not isinstance(name, str) or len(name) > _MAX_LENGTH:
        return None
    by_lower = {each.lower(): each for each in known if _digits(each) == _digits(name)}
    matches = get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[matches[0]] if matches else None


def _digits(name: str) -> str:
    return "".join(filter(str.isdecimal, name))


def not_part_of(whole: str, name: object, known: Iterable[str]) -> str:
    """Return a sentence about a name that a result does not have."""
    names = list(known)
    near = nearest(name, names)
    hint = "which has:" if near is None else f"did you mean {near!r}? It has:"
    return f"{name!r} is not part of this {whole}, {hint} {', '.join(names)}"


def with_choices(text: str, name: object, known: Sequence[str], verb: str = "allowed are") -> str:
    """Return a sentence about an unknown name, with the most similar known name and a list of all."""
    near = nearest(name, known)
    names = ", ".join(f"'{each}'" for each in known)
    if near is None:
        return f"{text}, {verb} {names}"
    return f"{text}, did you mean '{near}'? {verb.capitalize()} {names}"
