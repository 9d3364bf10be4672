"""Fields of a model at a location, for messages about fields that it does not have."""

from collections.abc import Iterator, Sequence
from types import NoneType, UnionType
from typing import Annotated, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel, Tag


def fields_at(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Return the names, as in JSON, of the fields at a location of pydantic; empty where there is no model."""
    annotation: object = model
    for part in location:
        annotation = _inside(annotation, part)
    models = [alternative for _, alternative in _alternatives(annotation) if _is_model(alternative)]
    return [field.alias or name for each in models for name, field in each.model_fields.items()]


def _inside(annotation: object, part: int | str) -> object:
    """Return the type of a field, of an item of a list, or of the alternative of a union that has this tag."""
    alternatives = dict(_alternatives(annotation))
    if len(alternatives) > 1:
        return alternatives.get(part)
    ((_, only),) = alternatives.items()
    if _is_model(only):
        fields = only.model_fields.items()
        return next((field.annotation for name, field in fields if part in (field.alias, name)), None)
    return get_args(only)[0] if get_origin(only) is list else None


def _alternatives(annotation: object) -> Iterator[tuple[object, object]]:
    """Yield the tag and the type of each alternative of a union; a type that is no union is the only one."""
    tag: object = None
    if get_origin(annotation) is Annotated:
        annotation, *metadata = get_args(annotation)
        tag = next((each.tag for each in metadata if isinstance(each, Tag)), None)
    if get_origin(annotation) in (Union, UnionType):
        for alternative in get_args(annotation):
            if alternative is not NoneType:
                yield from _alternatives(alternative)
        return
    if tag is None and _is_model(annotation) and "kind" in annotation.model_fields:
        (tag,) = get_args(annotation.model_fields["kind"].annotation)
    yield tag, annotation


def _is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
