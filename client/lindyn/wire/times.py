"""Times of a trajectory."""

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from lindyn.wire.array import FloatArray, Vector
from lindyn.wire.base import FromNumpy, NonNegative, Request
from lindyn.wire.tree import Tree
from lindyn.wire.validation_messages import FORM

MAX_TIMES = 1_000_000
GRID, LIST = "(grid)", "(list)"  # tags of a union; parentheses keep them distinct from names of fields

_UNIT = 2.0**-200  # in this unit the largest times are finite, and steps between the smallest are normal numbers


def _ascending(times: FloatArray) -> FloatArray:
    if len(times) > MAX_TIMES:
        raise PydanticCustomError("times", "got {got} times, at most {most}", {"got": len(times), "most": MAX_TIMES})
    if times[0] < 0:
        raise PydanticCustomError("times", "got {got} first, times must be >= 0", {"got": float(times[0])})
    falls = np.flatnonzero(np.diff(times) < 0)
    if len(falls):
        i = int(falls[0])
        raise PydanticCustomError(
            "times",
            "got {later} after {earlier} at [{i}], times must ascend",
            {"later": float(times[i + 1]), "earlier": float(times[i]), "i": i + 1},
        )
    return times


TimeList = Annotated[Vector, AfterValidator(_ascending)]


class TimeGrid(Request):
    """Evenly spaced times, both ends included."""

    start: NonNegative = 0.0
    stop: NonNegative
    num: Annotated[int, Field(strict=True, ge=1, le=MAX_TIMES), FromNumpy] = 200
    spacing: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _spans(self) -> Self:
        if self.stop < self.start:
            raise PydanticCustomError(
                "times", "got stop = {stop} before start = {start}", {"stop": self.stop, "start": self.start}
            )
        if self.spacing == "log" and self.start == 0:
            raise PydanticCustomError("times", "log spacing needs start > 0, got start = 0")
        return self

    def resolve(self) -> FloatArray:
        """Return the times as an array that ascends in spite of rounding."""
        if self.spacing == "log":
            # the rounding error of a logarithm can move a time beyond the bounds
            return np.clip(np.geomspace(self.start, self.stop, self.num), self.start, self.stop)
        # the smaller unit keeps subnormal steps from losing digits
        return np.linspace(self.start / _UNIT, self.stop / _UNIT, self.num) * _UNIT


def _form(value: "Tree | TimeGrid") -> str | None:
    if isinstance(value, dict | TimeGrid):
        return GRID
    return LIST if isinstance(value, list | tuple | np.ndarray) else None


Times = Annotated[
    Annotated[TimeGrid, Tag(GRID)] | Annotated[TimeList, Tag(LIST)],
    Discriminator(
        _form,
        custom_error_type=FORM,
        custom_error_message="expected a list of times, or an object with start, stop and num",
    ),
]
