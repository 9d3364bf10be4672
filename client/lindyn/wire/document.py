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
from lindyn.wire.fields import fields_at
from lindyn.wire.times import GRID, LIST
from lindyn.wire.validation_messages import validation_message
from lindyn.wire.wording import cut

_Model = TypeVar("_Model", bound=BaseModel)
_UNION_TAGS = (GRID, LIST, TIME, WORD)

_MOST_ERRORS = 100
_MOST_COUNTED = 10_000


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
        found = [_described(details, document, model) for details in error.errors(include_url=False)[:_MOST_ERRORS]]
        raise InvalidDocumentError(found) from None
    broken = conflicts(message) if conflicts is not None else ()
    if broken:
        raise InvalidDocumentError(broken)
    return message


def _described(details: ErrorDetails, document: Any, model: type[BaseModel]) -> tuple[str, str]:  # noqa: ANN401 (JSON)
    """The path of an error in the document, and what is wrong there."""
    loc = details["loc"]
    parts, place = _place(loc, document)
    path = ".".join(parts)
    # a name that is short for an object is itself what is wrong
    if details["type"] == "union_tag_not_found" or (
        details["type"] == "union_tag_invalid" and not isinstance(place, str)
    ):
        path = f"{path}.kind"
    return path, validation_message(details, fields_at(model, loc[:-1]) if details["type"] == "extra_forbidden" else ())


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
