"""Designs: the value of one parameter at which a number that a run is summarised by meets a target."""

from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from lindyn.wire.array import Arrays
from lindyn.wire.base import Number, Positive, Reply, Request
from lindyn.wire.sweep import Scalar
from lindyn.wire.trajectory import ReplyWarning, TrajectoryRequest
from lindyn.wire.tree import PathError, Tree, replaced

FinalScalar = Literal["loss", "excess_loss", "ntk_norm", "ntk_distance", "effective_rank", "sharpness"]
DesignScalar = Literal[Scalar, FinalScalar]
FINAL_SCALARS: tuple[FinalScalar, ...] = get_args(FinalScalar)
"""Quantities that are one number at each time, at the last time."""


def _as_list(value: Tree) -> Tree:
    """Expand an array of an archive, or a pair of a caller, to a list."""
    if isinstance(value, tuple):
        return list(value)
    return value.tolist() if isinstance(value, np.ndarray) else value


def _ascend(bounds: list[float]) -> list[float]:
    if bounds[0] >= bounds[1]:
        raise PydanticCustomError(
            "design", "got {low} and {high}, bounds must ascend", {"low": bounds[0], "high": bounds[1]}
        )
    return bounds


class Vary(Request):
    """A path into the base request to a number, and the bounds that it is searched within."""

    path: Annotated[
        str, Field(pattern=r"^[a-z_0-9]+(\.[a-z_0-9]+)*$", max_length=200, examples=["network.lambda", "times.stop"])
    ]
    bounds: Annotated[
        list[Number],
        Field(min_length=2, max_length=2, description="The smallest and the largest value, both included."),
        BeforeValidator(_as_list),
        AfterValidator(_ascend),
    ]


class Target(Request):
    """A scalar and the value that it is to have."""

    scalar: Annotated[
        DesignScalar,
        Field(description="A scalar that sweeps collect, or a quantity that is one number, at the last time."),
    ]
    value: Number


def _at_lower_bound(base: "Tree | TrajectoryRequest", info: ValidationInfo) -> "Tree | TrajectoryRequest":
    """Give the parameter its lower bound, so that it may be missing, and that its value does not change the key."""
    vary = info.data.get("vary")
    if vary is None or not isinstance(base, dict):
        return base
    try:
        return replaced(base, vary.path, vary.bounds[0])
    except PathError:  # `conflicts_of_design` says where it leads
        return base


class DesignRequest(Request):
    """Request for the values of a parameter at which a scalar meets a target."""

    vary: Vary
    target: Target
    base: Annotated[
        TrajectoryRequest,
        Field(description="Request for a trajectory; the parameter that is varied may be missing, and is replaced."),
        BeforeValidator(_at_lower_bound),
    ]
    tolerance: Annotated[Positive, Field(description="Excess loss that defines convergence_time.")] = 1e-3

    def at(self, value: float) -> dict[str, Any]:
        """Return the base request with another value of the parameter; other parts stay validated.

        Raises:
            PathError: the path leads through something that has no parts.
        """
        first = self.vary.path.partition(".")[0]
        parts: dict[str, Any] = {name: getattr(self.base, name) for name in self.base.model_fields_set}
        return replaced({**parts, first: _as_document(parts.get(first))}, self.vary.path, value)


def _as_document(part: object) -> Tree:
    """Return a part of a request in JSON."""
    if isinstance(part, BaseModel):
        return part.model_dump(mode="json", by_alias=True)
    return part.tolist() if isinstance(part, np.ndarray) else part  # pyright: ignore[reportReturnType] (lists, numbers)


class Solution(Reply):
    """A value of the parameter, and the scalar there."""

    value: float
    reached: float


class DesignCurve(Reply):
    """The scalar at every value of the parameter that was computed, in ascending order."""

    value: Annotated[Arrays, Field(description="Values of the parameter.")]
    reached: Annotated[Arrays, Field(description="The scalar there; null where it has no value.")]


class DesignReply(Reply):
    """All values within the bounds at which the target is met, in ascending order."""

    key: Annotated[str, Field(description="SHA-256 of the normalised request and the solver's version.")]
    path: Annotated[str, Field(description="Path of the parameter, as in the request.")]
    bounds: Annotated[list[float], Field(description="Bounds of the parameter, as in the request.")]
    scalar: Annotated[DesignScalar, Field(description="The scalar, as in the request.")]
    target: Annotated[float, Field(description="Its value that was asked for.")]
    solutions: list[Solution]
    range: Annotated[list[float], Field(description="The smallest and the largest scalar found within the bounds.")]
    curve: DesignCurve
    evaluations: Annotated[int, Field(description="Number of runs that were computed.")]
    seed: Annotated[int | None, Field(description="The network's seed, drawn if it was omitted.")] = None
    task_seed: Annotated[int | None, Field(description="The task's seed, drawn if it was omitted.")] = None
    warnings: list[ReplyWarning]
    version: str
