"""Paths of routes whose last part the caller gives."""

import re

from lindyn.errors import ArgumentError
from lindyn.wire.wording import cut

_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")  # not empty, and neither . nor .., which lead to other routes


def path_of(route: str, argument: str, part: str) -> str:
    """Return the path of a route that ends with a name or an id.

    Raises:
        ArgumentError: the part cannot be a name or an id, and would lead to another route.
    """
    if not isinstance(part, str):  # pyright: ignore[reportUnnecessaryIsInstance] (callers without types)
        raise ArgumentError(f"{argument}: got a value of type {type(part).__name__}, expected text")
    if not _PART.fullmatch(part):
        raise ArgumentError(f"{argument}: got {cut(part)!r}, expected letters, digits, dots, hyphens and underscores")
    return f"{route}/{part}"
