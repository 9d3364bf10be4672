"""Documents of requests: joining the parts of an archive, and validation with errors by path."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, cast

import numpy as np
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lindyn.wire.continual import TIME, WORD
from lindyn.wire.fields import fields_at
from lindyn.wire.times import GRID, LIST
from lindyn.wire.tree import JSON, Array, PathError, Tree, unflatten
from lindyn.wire.validation_messages import validation_message
from lindyn.wire.wording import cut

_Model = TypeVar("_Model", bound=BaseModel)
_UNION_TAGS = (GRID, LIST, TIME, WORD)

_MAX_DESCRIBED_ERRORS = 100
_MAX_ERRORS = 10_000  # for more, pydantic's list would take gigabytes


class InvalidDocumentError(ValueError):
    """A document violates the contract.

    Attributes:
        errors: pairs of a path and the rule that the value there violates, at most the first hundred.
    """

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {detail}" for path, detail in errors))
        self.errors = tuple(errors)

    def __reduce__(self) -> tuple[type["InvalidDocumentError"], tuple[tuple[tuple[str, str], ...]], dict[str, object]]:
        """Pickle the errors and the notes, because the message alone does not restore them."""
        return type(self), (self.errors,), vars(self)


def graft(metadata: dict[str, JSON], arrays: Mapping[str, Array]) -> dict[str, Tree]:
    """Put the arrays of an archive into its metadata: `network.weights.0` becomes metadata["network"]["weights"][0].

    Raises:
        InvalidDocumentError: a path leads through a value that has no such part, or skips an index.
    """
    try:
        return unflatten(arrays, metadata)
    except PathError as error:
        raise InvalidDocumentError([(cut(error.path), f"the archive's path {error.detail}")]) from None


def read(
    model: type[_Model],
    document: Tree,
    conflicts: Callable[[_Model], Sequence[tuple[str, str]]] | None = None,
) -> _Model:
    """Validate a document.

    Args:
        model: the model that it must fit.
        document: the document, with lists or arrays.
        conflicts: returns the violated rules between fields of a message whose single fields are valid.

    Raises:
        InvalidDocumentError: the violated rules, with their paths.
    """
    try:
        message = model.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        if error.error_count() > _MAX_ERRORS:
            raise InvalidDocumentError([("", f"got {error.error_count()} errors, more than a reply lists")]) from None
        details = error.errors(include_url=False)[:_MAX_DESCRIBED_ERRORS]
        raise InvalidDocumentError([_described(each, document, model) for each in details]) from None
    broken = conflicts(message) if conflicts is not None else ()
    if broken:
        raise InvalidDocumentError(broken)
    return message


def _described(details: ErrorDetails, document: Tree, model: type[BaseModel]) -> tuple[str, str]:
    """Return the path of an error in the document, and its message."""
    location = details["loc"]
    names, value = _locate(location, document)
    path = ".".join(names)
    # a bare name stands for the object of that kind, so that the name itself is wrong and not its field `kind`
    names_no_kind = details["type"] == "union_tag_not_found" and isinstance(details["input"], dict)
    if names_no_kind or (details["type"] == "union_tag_invalid" and not isinstance(value, str)):
        path = f"{path}.kind"
    known_fields = fields_at(model, location[:-1]) if details["type"] == "extra_forbidden" else ()
    return path, validation_message(details, known_fields)


def _locate(location: tuple[int | str, ...], document: Tree) -> tuple[list[str], Tree]:
    """Translate a location of pydantic to a path of the document, and return the value there.

    Pydantic adds the tag of each union on the way, which the document does not have. A value may also be an
    abbreviation of an object or a list; the parts of the location inside it are left out, because the value as a whole
    is what the user wrote.
    """
    path: list[str] = []
    node = document
    after_tag = False
    for part in location:
        if isinstance(node, str) and part == node:
            node = {"kind": node}  # a bare name abbreviates the object of that kind, whose fields can be missing
        elif isinstance(part, str) and not isinstance(node, dict):
            continue
        if isinstance(part, int) and not isinstance(node, list | tuple | np.ndarray):
            continue
        if path and not after_tag and (part in _UNION_TAGS or part == _kind(node)):
            after_tag = True
            continue
        after_tag = False
        path.append(cut(str(part)))
        node = _child(node, part)
    return path, node


def _kind(node: Tree) -> str | None:
    kind = node.get("kind") if isinstance(node, dict) else None
    return kind if isinstance(kind, str) else None


def _child(node: Tree, name: int | str) -> Tree:
    """Return the field of an object or the entry of a list, or None where it is missing; a name fits its node."""
    children = cast("Mapping[int | str, Tree]", node)
    try:
        return children[name]
    except (KeyError, IndexError):
        return None
