"""Which fields a message has at some place, for the names that are not among them."""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# (types of any kind)

from collections.abc import Iterator, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag


def fields_at(model: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """Names, as in JSON, of the fields of the model at a location of pydantic; empty where there is none."""
    kind: Any = model
    for part in loc:
        kind = _inside(kind, part)
    found = [each for _, each in _alternatives(kind) if _is_model(each)]
    return [field.alias or name for each in found for name, field in each.model_fields.items()]


def _inside(kind: Any, part: int | str) -> Any:  # noqa: ANN401 (a type)
    """The type of a part: of a field, of an item, or that of a union's types which has this tag."""
    alternatives = dict(_alternatives(kind))
    if len(alternatives) > 1:
        return alternatives.get(part)
    ((_, only),) = alternatives.items()
    if _is_model(only):
        return next(
            (field.annotation for name, field in only.model_fields.items() if part in (field.alias, name)), None
        )
    return get_args(only)[0] if get_origin(only) is list else None


def _alternatives(kind: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 (a type)
    """The types of a union by their tags, or a type by itself."""
    tag: str | None = None
    if get_origin(kind) is Annotated:
        kind, *metadata = get_args(kind)
        tag = next((each.tag for each in metadata if isinstance(each, Tag)), None)
    if get_origin(kind) in (Union, UnionType):
        for each in get_args(kind):
            if each is not NoneType:
                yield from _alternatives(each)
        return
    if tag is None and _is_model(kind) and "kind" in kind.model_fields:
        (tag,) = get_args(kind.model_fields["kind"].annotation)
    yield tag, kind


def _is_model(kind: Any) -> bool:  # noqa: ANN401 (a type)
    return isinstance(kind, type) and issubclass(kind, BaseModel)
