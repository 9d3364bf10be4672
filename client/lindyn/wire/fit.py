"""Fits: observed curves, the parameters that are estimated from them, and the models that are compared."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, cast

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from lindyn.wire.array import FloatArray, Vector
from lindyn.wire.base import Flag, FromNumpy, Number, Request, TreeField
from lindyn.wire.network import as_list
from lindyn.wire.portable import with_portable_arrays
from lindyn.wire.times import TimeList
from lindyn.wire.tree import Tree

FULL = "full"
"""Name of the model in which all parameters are free."""

MAX_OBSERVATIONS = 500
MAX_VALUES = 100_000
MAX_PATHS = 50
MAX_MODELS = 20
MAX_STARTS = 100
_LONGEST_NAME = 100


def _error(text: str) -> PydanticCustomError:
    return PydanticCustomError("fit", "{text}", {"text": text})


def _without_gaps(value: Tree) -> Tree:
    """Refuse values that stand for missing ones, with the remedy."""
    entries = cast("Sequence[Tree]", value.tolist() if isinstance(value, np.ndarray) else value)
    if isinstance(entries, list | tuple):
        for i, entry in enumerate(entries):
            if entry is None or (isinstance(entry, float) and np.isnan(entry)):
                shown = "null" if entry is None else "nan"
                raise _error(f"got {shown} at [{i}]; leave out the times at which nothing was observed")
    return value


def _few(times: FloatArray) -> FloatArray:
    if len(times) > MAX_VALUES:
        raise _error(f"got {len(times)} times, at most {MAX_VALUES}; average neighbouring ones, or leave some out")
    return times


def _one_for_each_time(values: FloatArray, info: ValidationInfo) -> FloatArray:
    times = info.data.get("times")
    if times is not None and len(values) != len(times):
        raise _error(f"got {len(values)} values and {len(times)} times; give one value for each time")
    return values


def _one_or_for_each(values: FloatArray, info: ValidationInfo) -> FloatArray:
    times = info.data.get("times")
    if times is not None and len(values) not in (1, len(times)):
        raise _error(f"got {len(values)} entries and {len(times)} times; give one number, or one for each time")
    return values


def _positive(sigma: FloatArray) -> FloatArray:
    wrong = np.flatnonzero(sigma <= 0)
    if len(wrong):
        i = int(wrong[0])
        raise _error(
            f"got {sigma[i]:g} at [{i}], a standard deviation is more than 0; leave sigma out to have it estimated"
        )
    return sigma


def _counts(trials: FloatArray) -> FloatArray:
    wrong = np.flatnonzero((trials < 1) | (trials != np.round(trials)))
    if len(wrong):
        i = int(wrong[0])
        raise _error(f"got {trials[i]:g} at [{i}], expected numbers of trials, which are whole and at least 1")
    return trials


_NumberOrList = BeforeValidator(as_list)
_NUMBER_OR_LIST = WithJsonSchema(
    {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}, "minItems": 1}]}
)

Path = Annotated[str, Field(pattern=r"^[a-z_0-9]+(\.[a-z_0-9]+)*$", max_length=200)]
Name = Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME)]


class Observation(Request):
    """An observed curve: Gaussian values of a quantity, or numbers of successes in trials."""

    quantity: Annotated[
        str,
        Field(
            pattern=r"^[a-z_]+(\.[a-z_0-9]+)*$",
            max_length=_LONGEST_NAME,
            examples=["loss", "singular_values.0"],
            description="A quantity with one number at each time, or one number of another quantity by its indices.",
        ),
    ]
    times: Annotated[TimeList, AfterValidator(_few)]
    values: Annotated[
        Vector,
        Field(description="One for each time; with trials, the numbers of successes."),
        BeforeValidator(_without_gaps),
        AfterValidator(_one_for_each_time),
    ]
    sigma: Annotated[
        Annotated[
            Vector,
            _NumberOrList,
            AfterValidator(_one_or_for_each),
            AfterValidator(_positive),
            _NUMBER_OR_LIST,
        ]
        | None,
        Field(description="Standard deviation: one, or one for each time. Null: estimated from the residuals."),
    ] = None
    trials: Annotated[
        Annotated[Vector, _NumberOrList, AfterValidator(_one_or_for_each), AfterValidator(_counts), _NUMBER_OR_LIST]
        | None,
        Field(
            description="Numbers of trials, of which values succeeded with probability 1 / (1 + exp(-curve)); null for "
            "Gaussian values."
        ),
    ] = None
    factor: Annotated[Number, Field(description="The curve is factor x quantity + offset.")] = 1.0
    offset: Number = 0.0
    subject: Annotated[Name | None, Field(description="Whose curve it is, for parameters of each subject.")] = None


def _bounds_as_list(value: Tree) -> Tree:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _ordered(bounds: tuple[float, float], info: ValidationInfo) -> tuple[float, float]:
    low, high = bounds
    if not low < high:
        raise _error(f"got {low:g} to {high:g}, the first bound must be less than the second")
    if info.data.get("scale") == "log" and low <= 0:
        raise _error(f"got {low:g} to {high:g}, a log scale needs bounds above 0; raise them, or use scale 'linear'")
    return bounds


def _within_bounds(start: float | None, info: ValidationInfo) -> float | None:
    bounds = info.data.get("bounds")
    if start is not None and bounds is not None and not bounds[0] <= start <= bounds[1]:
        raise _error(
            f"got {start:g}, which is outside the bounds {bounds[0]:g} to {bounds[1]:g}; move the start or widen them"
        )
    return start


class FreeParameter(Request):
    """A number of the base request, or the factor or offset of the observations, that is estimated."""

    path: Annotated[
        Path,
        Field(
            examples=["network.lambda", "time_constant", "observations.offset"],
            description="A number of the base request, `observations.factor` or `observations.offset` of all "
            "observations, or that of one, such as `observations.0.offset`.",
        ),
    ]
    scale: Annotated[Literal["linear", "log"], Field(description="log: starts and steps are of the logarithm.")] = (
        "linear"
    )
    bounds: Annotated[tuple[Number, Number], BeforeValidator(_bounds_as_list), AfterValidator(_ordered)]
    start: Annotated[
        Number | None,
        Field(description="First start; null: the middle of the bounds, on the scale."),
        AfterValidator(_within_bounds),
    ] = None
    per_subject: Annotated[Flag, Field(description="Whether each subject has a value of its own.")] = False

    @property
    def first(self) -> float:
        """The first start."""
        if self.start is not None:
            return self.start
        low, high = self.bounds
        return float(np.sqrt(low) * np.sqrt(high)) if self.scale == "log" else low / 2 + high / 2


def _portable_values(value: Tree) -> Tree:
    return with_portable_arrays(value) if isinstance(value, Mapping) else value


class ComparedModel(Request):
    """A model: the base request with some values set, and some of the free parameters."""

    name: Name
    set: Annotated[
        dict[Path, TreeField],
        Field(max_length=100, description="Values by path, which are put into the base request."),
        BeforeValidator(_portable_values),
    ] = Field(default_factory=dict[str, Tree])
    free: Annotated[
        Annotated[list[Path], Field(max_length=MAX_PATHS)] | None,
        Field(description="Paths of the parameters that stay free; null: all that no path of set contains."),
    ] = None


class FitRequest(Request):
    """Request for estimates of parameters from observed curves, and for a comparison of models."""

    base: Annotated[
        dict[str, TreeField],
        Field(
            description="Request for a trajectory without times and quantities, which the observations have; free "
            "parameters may be missing."
        ),
        BeforeValidator(_portable_values),
    ]
    observations: Annotated[list[Observation], Field(min_length=1, max_length=MAX_OBSERVATIONS)]
    free: Annotated[list[FreeParameter], Field(min_length=1, max_length=MAX_PATHS)]
    models: Annotated[list[ComparedModel], Field(max_length=MAX_MODELS)] = Field(default_factory=list[ComparedModel])
    starts: Annotated[
        int,
        Field(strict=True, ge=1, le=MAX_STARTS, description="Descents of each model, from the start and elsewhere."),
        FromNumpy,
    ] = 8

    @property
    def subjects(self) -> list[str]:
        """Names of the subjects, in the order of their first observations."""
        return list(dict.fromkeys(each.subject for each in self.observations if each.subject is not None))
