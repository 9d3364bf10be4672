"""Messages for invalid values: the value that was received, and the allowed ones."""

import re
from collections.abc import Sequence
from typing import cast

from pydantic_core import ErrorDetails

from lindyn.wire.wording import entries, shown_json, with_choices

UNKNOWN_FIELD = "this field is unknown"

_EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "an object",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_parsing": "an integer",
    "int_type": "an integer",
    "list_type": "a list",
    "model_attributes_type": "an object",
    "model_type": "an object",
    "string_type": "text",
    "string_unicode": "text",
    "tuple_type": "a list",
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_LENGTHS = {"too_short": ("min_length", "at least"), "too_long": ("max_length", "at most")}
OWN = ("array", "design", "fit", "schedule", "sweep", "times", "widths")
"""Types of errors whose messages are complete."""
FORM = "form"
"""Type of an error whose message says only what is expected."""


def validation_message(details: ErrorDetails, fields: Sequence[str] = ()) -> str:
    """Return the message for an error of pydantic.

    Args:
        details: the error.
        fields: the known fields, if a field is unknown.
    """
    kind, got, context = details["type"], details["input"], details.get("ctx", {})
    if kind in OWN:
        return details["msg"]
    if kind in _EXPECTED:
        return f"got {shown_json(got)}, expected {_EXPECTED[kind]}"
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        limit = context[bound]
        return f"got {shown_json(got)}, expected {words} {f'{limit:g}' if isinstance(limit, float) else limit}"
    if kind in _LENGTHS:
        bound, words = _LENGTHS[kind]
        return f"got {entries(context['actual_length'])}, expected {words} {context[bound]}"
    return _message_about_names(details, context, fields)


def _message_about_names(details: ErrorDetails, context: dict[str, object], fields: Sequence[str]) -> str:
    got = details["input"]
    match details["type"]:
        case "literal_error":
            return with_choices(f"got {shown_json(got)}", got, _quoted(str(context["expected"])))
        case "union_tag_invalid":
            tag: object = cast("dict[str, object]", got)["kind"] if isinstance(got, dict) else context["tag"]
            return with_choices(f"got {shown_json(tag)}", tag, _quoted(str(context["expected_tags"])))
        case "union_tag_not_found":
            return _without_kind(got)
        case "missing" if isinstance(details["loc"][-1], int):
            return f"got {entries(len(got))}, this one is required"
        case "missing":
            return "this field is required"
        case "extra_forbidden":
            return with_choices(UNKNOWN_FIELD, details["loc"][-1], fields)
        case "string_pattern_mismatch":
            return f"got {shown_json(got)}, expected text like {context['pattern']}"
        case "string_too_long":
            return f"got {len(got)} characters, expected at most {context['max_length']}"
        case _:
            return f"got {shown_json(got)}, {_as_expected(details['msg'])}"


def _without_kind(got: object) -> str:
    if not isinstance(got, dict):
        return f"got {shown_json(got)}, expected an object"
    return "this field is required, it determines which others there are"


def _quoted(names: str) -> list[str]:
    """Return the names in a list that pydantic wrote."""
    return re.findall("'([^']*)'", names)


def _as_expected(message: str) -> str:
    return message.replace("Input should be ", "expected ").removeprefix("Value error, ")
