"""A message as one tree: arrays are put at the paths that an npz archive names, and validated with the rest."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (JSON has no static types)

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lindyn.wire.continual import TIME, WORD
from lindyn.wire.times import GRID, LIST

_Model = TypeVar("_Model", bound=BaseModel)
_UNION_TAGS = (GRID, LIST, TIME, WORD)

_MOST_ERRORS = 100
_MOST_COUNTED = 10_000
_LONGEST = 80  # characters that are repeated of what a message holds


class InvalidDocumentError(ValueError):
    """A message breaks the contract; `errors` pairs paths with what is wrong there, the first hundred."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {detail}" for path, detail in errors))
        self.errors = tuple(errors)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel whole between processes."""
        return type(self), (self.errors,), vars(self)


def graft(metadata: dict[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """Put arrays into the tree: `network.weights.0` becomes metadata["network"]["weights"][0].

    Raises:
        InvalidDocumentError: a path leads through a value that has no such part, or skips an index.
    """
    for path in sorted(arrays, key=lambda name: [(len(part), part) for part in name.split(".")]):
        _put(metadata, path, arrays[path])
    return metadata


def _put(tree: dict[str, Any], path: str, array: npt.NDArray[Any]) -> None:
    *parents, last = path.split(".")
    node: Any = tree
    for here, following in pairwise([*parents, last]):
        empty: Any = {} if _index(following) is None else []
        node = _child(node, here, path, empty)
    if isinstance(node, dict):
        node[last] = array
    elif isinstance(node, list) and _index(last) == len(node):
        node.append(array)
    else:
        raise InvalidDocumentError([(cut(path), "the archive's path does not fit the metadata or skips an index")])


def _child(node: Any, name: str, path: str, empty: Any) -> Any:  # noqa: ANN401 (JSON)
    if isinstance(node, dict):
        return node.setdefault(name, empty)
    index = _index(name)
    if isinstance(node, list) and index is not None and index < len(node):
        return node[index]
    raise InvalidDocumentError([(cut(path), "the archive's path leads through a value that has no such part")])


def _index(name: str) -> int | None:
    """The number that a part of a path is, where it may be the index of a list."""
    return int(name) if name.isdecimal() and len(name) < 10 else None


def read(
    model: type[_Model],
    document: Any,  # noqa: ANN401 (JSON)
    conflicts: Callable[[_Model], Sequence[tuple[str, str]]] | None = None,
) -> _Model:
    """Validate a tree.

    Args:
        model: what it should be.
        document: the tree.
        conflicts: finds broken rules between fields of a tree whose single fields are right.

    Raises:
        InvalidDocumentError: every rule that is broken, with its path.
    """
    try:
        message = model.model_validate(document)
    except ValidationError as error:
        if error.error_count() > _MOST_COUNTED:  # describing millions would take gigabytes
            raise InvalidDocumentError([("", f"got {error.error_count()} errors, more than can be told")]) from None
        found = [_described(details, document) for details in error.errors(include_url=False)[:_MOST_ERRORS]]
        raise InvalidDocumentError(found) from None
    broken = conflicts(message) if conflicts is not None else ()
    if broken:
        raise InvalidDocumentError(broken)
    return message


def _described(details: ErrorDetails, document: Any) -> tuple[str, str]:  # noqa: ANN401 (JSON)
    parts, place = _place(details["loc"], document)
    path = ".".join(parts)
    context: dict[str, Any] = details.get("ctx", {})
    match details["type"]:
        case "greater_than_equal":
            return path, f"got {shown(details['input'])}, expected at least {shown(context['ge'])}"
        case "less_than_equal":
            return path, f"got {shown(details['input'])}, expected at most {shown(context['le'])}"
        case "union_tag_invalid":
            kind = details["input"]["kind"] if isinstance(details["input"], dict) else context["tag"]
            # a name that is short for an object is itself what is wrong
            where = path if isinstance(place, str) else f"{path}.kind"
            return where, f"got {shown(kind)}, allowed are {context['expected_tags']}"
        case "union_tag_not_found":
            return f"{path}.kind", "this field is required, it says what the others are"
        case "model_type" | "model_attributes_type":
            return path, f"got {shown(details['input'])}, expected an object"
        case "too_short":
            return path, f"got {_entries(context['actual_length'])}, expected at least {context['min_length']}"
        case "too_long":
            return path, f"got {_entries(context['actual_length'])}, expected at most {context['max_length']}"
        case "missing" if isinstance(details["loc"][-1], int):
            return path, f"got {_entries(len(details['input']))}, this one is required"
        case "missing":
            return path, "this field is required"
        case "extra_forbidden":
            return path, "this field is unknown"
        case "array" | "times" | "widths":
            return path, details["msg"]
        case _:
            return path, f"{details['msg']}, got {shown(details['input'])}"


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


def _entries(number: int) -> str:
    return "1 entry" if number == 1 else f"{number} entries"


def _place(loc: tuple[int | str, ...], document: Any) -> tuple[list[str], Any]:  # noqa: ANN401 (JSON)
    """The path in the document, without the tags that pydantic adds once for each union on the way, and what is there.

    Parts that lead through a value which is short for an object or a list are left out: it is itself what is wrong.
    """
    path: list[str] = []
    node: Any = document
    tagged = False
    for part in loc:
        if isinstance(node, str) and part == node:
            node = {"kind": node}  # a name is short for the object of that kind, whose fields can be missing
        elif isinstance(part, str) and not isinstance(node, dict):
            continue
        if isinstance(part, int) and not isinstance(node, list | tuple | np.ndarray):
            continue
        if path and not tagged and (part in _UNION_TAGS or part == _kind(node)):
            tagged = True
            continue
        tagged = False
        path.append(cut(str(part)))
        node = _part(node, part)
    return path, node


def _kind(node: Any) -> str | None:  # noqa: ANN401 (JSON)
    kind = node.get("kind") if isinstance(node, dict) else None
    return kind if isinstance(kind, str) else None


def _part(node: Any, name: int | str) -> Any:  # noqa: ANN401 (JSON)
    try:
        return node[name]
    except (KeyError, IndexError, TypeError):
        return None
