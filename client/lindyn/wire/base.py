"""What all messages share: strict requests, tolerant replies, bounded numbers."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (unvalidated input)

from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

LARGEST = 1e70
"""Largest magnitude of any number in a request: its fourth power, which the loss takes, is still finite."""

LARGEST_SEED = 2**53 - 1
"""Largest seed, exact in every JSON reader."""


def _plain(value: Any) -> Any:  # noqa: ANN401 (unvalidated input)
    """A number of numpy as one of Python: strict types would take "1" in an array of no dimensions for 1.0."""
    if isinstance(value, np.ndarray) and value.ndim == 0 and not np.ma.is_masked(value):
        value = value[()]
    if isinstance(value, np.floating):  # item() gives a longdouble back
        return float(value)
    return value.item() if isinstance(value, np.generic) else value


FromNumpy = BeforeValidator(_plain)

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


class Request(BaseModel):
    """A part of a request: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True, validate_by_name=True)


class Reply(BaseModel):
    """A part of a reply: unknown fields are ignored, so that an old client survives a new service."""

    model_config = ConfigDict(extra="ignore", frozen=True, serialize_by_alias=True, validate_by_name=True)
