"""At which times the answer is wanted."""

from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from lindyn.wire.array import FloatArray, Vector
from lindyn.wire.base import FromNumpy, NonNegative, Request
from lindyn.wire.validation_messages import FORM

MOST_TIMES = 1_000_000
GRID, LIST = "(grid)", "(list)"

_UNIT = 2.0**-200  # the largest times stay finite in it, and a step between the smallest is a normal number


def _ascending(times: FloatArray) -> FloatArray:
    if len(times) > MOST_TIMES:
        raise PydanticCustomError("times", "got {got} times, at most {most}", {"got": len(times), "most": MOST_TIMES})
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
    num: Annotated[int, Field(strict=True, ge=1, le=MOST_TIMES), FromNumpy] = 200
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
        """Return the times as an array, which ascends whatever rounding does."""
        if self.spacing == "log":
            # rounding of a logarithm is more than that of the number
            return np.clip(np.geomspace(self.start, self.stop, self.num), self.start, self.stop)
        # in a smaller unit, where no step is so small that it loses digits
        return np.linspace(self.start / _UNIT, self.stop / _UNIT, self.num) * _UNIT


def _form(value: Any) -> str | None:  # noqa: ANN401 (unvalidated input)
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
