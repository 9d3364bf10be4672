"""What all messages share: strict requests, tolerant replies, bounded numbers."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LARGEST = 1e70
"""Largest magnitude of any number in a request: its fourth power, which the loss takes, is still finite."""

LARGEST_SEED = 2**53 - 1
"""Largest seed, exact in every JSON reader."""

Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-LARGEST, le=LARGEST)]
Positive = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=1 / LARGEST, le=LARGEST)]
NonNegative = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=LARGEST)]
Width = Annotated[int, Field(strict=True, ge=1, le=100_000)]
Flag = Annotated[bool, Field(strict=True)]
Seed = Annotated[
    int | None,
    Field(strict=True, ge=0, le=LARGEST_SEED, description="Omitted: drawn by the service and returned."),
]


class Request(BaseModel):
    """A part of a request: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True, validate_by_name=True)


class Reply(BaseModel):
    """A part of a reply: unknown fields are ignored, so that an old client survives a new service."""

    model_config = ConfigDict(extra="ignore", frozen=True, serialize_by_alias=True, validate_by_name=True)
