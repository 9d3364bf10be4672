"""How layers learn: learning rates, their schedule, and weight decay."""

from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from lindyn.wire.base import FromNumpy, NonNegative, Positive, Request
from lindyn.wire.tree import Tree


def _as_list(value: Tree) -> Tree:
    """Expand an array of an archive or of a caller to a list."""
    return value.tolist() if isinstance(value, np.ndarray) else value


_AsList = BeforeValidator(_as_list)
_Fraction = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1), FromNumpy]
_MAX_PARTS = 10_000


class CosineSchedule(Request):
    """The factor r + (1 - r)(1 + cos(pi t / T)) / 2 until the period T, then r."""

    kind: Literal["cosine"]
    period: Annotated[Positive, Field(description="T, in the unit of times.")]
    floor: Annotated[_Fraction, Field(description="r, 0 to 1.")] = 0.0


class ExponentialSchedule(Request):
    """The factor 2^(-t / h), which allows no more than h / ln 2 of training at the rate of time 0."""

    kind: Literal["exponential"]
    half_life: Annotated[Positive, Field(description="h, in the unit of times.")]


class PiecewiseSchedule(Request):
    """Constant factors between times."""

    kind: Literal["piecewise"]
    times: Annotated[
        list[Positive],
        Field(max_length=_MAX_PARTS, description="Ascending times at which the factor changes."),
        _AsList,
    ]
    factors: Annotated[
        list[NonNegative],
        Field(min_length=1, max_length=_MAX_PARTS + 1, description="One more than times; the first holds before."),
        _AsList,
    ]

    @model_validator(mode="after")
    def _moves(self) -> Self:
        for i, (earlier, later) in enumerate(zip(self.times, self.times[1:], strict=False)):
            if later <= earlier:
                raise _error(f"got {later:g} after {earlier:g} at times[{i + 1}], times must ascend")
        if len(self.factors) != len(self.times) + 1:
            raise _error(
                f"got {len(self.factors)} factors and {len(self.times)} times; give one factor more than times"
            )
        if not any(self.factors):
            raise _error("got factors that are all 0, with which nothing is learned; give one above 0")
        return self


Schedule = Annotated[CosineSchedule | ExponentialSchedule | PiecewiseSchedule, Field(discriminator="kind")]


def _error(text: str) -> PydanticCustomError:
    return PydanticCustomError("schedule", "{text}", {"text": text})


LearningRates = Annotated[
    Annotated[list[Positive], Field(min_length=1, max_length=64)] | None,
    Field(
        description="Of each layer, first layer first: layer l learns with learning_rates[l] / time_constant; null for "
        "rates of 1."
    ),
    _AsList,
]
OptionalSchedule = Annotated[Schedule | None, Field(description="Factor of all learning rates; null for 1.")]
WeightDecay = Annotated[
    NonNegative,
    Field(
        description="gamma: the loss that is descended has (gamma / 2) sum of ||W_l||^2 added; `loss` stays that of "
        "the data."
    ),
]


def are_ones(rates: list[float] | None) -> bool:
    """Return whether learning rates say nothing."""
    return rates is None or all(rate == 1 for rate in rates)


def without_defaults(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out the fields of this module where they say nothing, so that such requests keep their content address."""
    silent = {
        "learning_rates": are_ones(document.get("learning_rates")),
        "schedule": document.get("schedule") is None,
        "weight_decay": document["weight_decay"] == 0,
    }
    return {name: value for name, value in document.items() if not silent.get(name)}
