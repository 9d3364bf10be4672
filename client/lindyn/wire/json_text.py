"""JSON of untrusted origin, in which every field of an object occurs once."""

import json
from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json

from lindyn.wire.tree import JSON
from lindyn.wire.wording import cut


class RepeatedFieldError(ValueError):
    """An object has two fields of the same name, of which readers would keep one without a word."""


def parse_json(text: bytes | str) -> JSON:
    """Parse JSON in UTF-8; NaN and infinities are read as well.

    Raises:
        RepeatedFieldError: an object has a field twice.
        ValueError: the text is no JSON, or has lone surrogates.
    """
    tree: JSON = from_json(text, allow_inf_nan=True)
    colons = text.count(b":") if isinstance(text, bytes) else text.count(":")
    if _count_fields(tree) < colons:  # colons in texts, or fields that were lost
        json.loads(text, object_pairs_hook=unique_fields)
    return tree


def unique_fields(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object from its fields, as a hook of `json.loads`.

    Raises:
        RepeatedFieldError: a field occurs twice.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise RepeatedFieldError(f"the field {cut(name)!r} occurs twice in one object; give it once")
        found[name] = value
    return found


def _count_fields(tree: JSON) -> int:
    """Return the number of fields of all objects; those behind another first entry of a list are left out.

    A list of numbers is not searched, because it may have millions.
    """
    if isinstance(tree, dict):
        return len(tree) + sum(_count_fields(value) for value in tree.values())
    if isinstance(tree, list) and tree and isinstance(tree[0], dict | list):
        return sum(_count_fields(entry) for entry in tree)
    return 0
