"""Base classes and numbers of all messages: strict requests, tolerant replies, bounded numbers."""

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lindyn.wire.tree import JSON, Tree

JSON_MEDIA_TYPE = "application/json"

LARGEST = 1e70
"""Largest magnitude of any number in a request: its fourth power, which the loss contains, is still finite."""

LARGEST_SEED = 2**53 - 1
"""Largest seed, exact in every JSON reader."""


def _from_numpy(value: "Tree | np.generic") -> "Tree | np.generic":
    """Convert a number of numpy to one of Python.

    Strict types refuse numbers of numpy, but would take "1" in an array of no dimensions for 1.0.
    """
    number = value[()] if isinstance(value, np.ndarray) and value.ndim == 0 and not np.ma.is_masked(value) else value
    if not isinstance(number, np.generic):
        return number
    item = number.item()
    return float(item) if number.dtype.kind == "f" else item  # the item of a longdouble is a longdouble again


FromNumpy = BeforeValidator(_from_numpy)

Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-LARGEST, le=LARGEST), FromNumpy]
Positive = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=1 / LARGEST, le=LARGEST), FromNumpy]
NonNegative = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=LARGEST), FromNumpy]
Width = Annotated[int, Field(strict=True, ge=1, le=100_000), FromNumpy]
Flag = Annotated[bool, Field(strict=True), FromNumpy]
Seed = Annotated[
    int | None,
    Field(strict=True, ge=0, le=LARGEST_SEED, description="Omitted: drawn by the service and returned."),
    FromNumpy,
]

# Pydantic would validate the recursive type, which costs time and changes the published schema.
if TYPE_CHECKING:
    JSONField: TypeAlias = JSON
    """A JSON value, in a model."""
    TreeField: TypeAlias = Tree
    """A JSON value with arrays anywhere, in a model."""
else:
    JSONField = TreeField = Any


class Request(BaseModel):
    """A part of a request: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True, validate_by_name=True)


class Reply(BaseModel):
    """A part of a reply: unknown fields are ignored, so that an old client understands a newer service."""

    model_config = ConfigDict(extra="ignore", frozen=True, serialize_by_alias=True, validate_by_name=True)
