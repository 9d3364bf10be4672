"""Jobs: computations that continue after the reply to the request for them."""

from typing import Annotated, Literal

from pydantic import Field

from lindyn.wire.array import Arrays
from lindyn.wire.base import JSONField, Reply, Request
from lindyn.wire.problem import Problem

State = Literal["queued", "running", "done", "failed", "cancelled"]

FINAL: tuple[State, ...] = ("done", "failed", "cancelled")


class ExperimentRequest(Request):
    """Request for an experiment, with overrides of its published parameters."""

    parameters: Annotated[
        dict[str, JSONField],
        Field(max_length=100, description="Numbers, or lists of numbers, by the name of the parameter."),
    ] = Field(default_factory=dict[str, JSONField])


class Job(Reply):
    """A job and its progress."""

    id: str
    kind: Annotated[str, Field(description="`sweep`, `fit`, or the name of an experiment.")]
    state: State
    completed: Annotated[int, Field(description="Number of computed points.")]
    total: int
    created: Annotated[float, Field(description="Seconds since 1970, like the other times.")]
    started: float | None = None
    finished: float | None = None
    problem: Annotated[Problem | None, Field(description="Reason of the failure.")] = None
    owner: Annotated[
        str | None,
        Field(
            description="Owner of the key of the request, who alone can see the job; null on a service without keys."
        ),
    ] = None


class Jobs(Reply):
    """The jobs, the latest first."""

    jobs: list[Job]


class ExperimentParameter(Reply):
    """A parameter that a request may override."""

    default: JSONField
    description: str
    low: float
    high: float


class ExperimentDescription(Reply):
    """A named experiment."""

    name: str
    title: str
    description: str
    parameters: dict[str, ExperimentParameter]


class Experiments(Reply):
    """The list of all experiments."""

    experiments: list[ExperimentDescription]


class Variable(Reply):
    """The values of a quantity over named dimensions."""

    dims: list[str]
    values: Arrays


class PointProblem(Reply):
    """A point that could not be computed, and the reason."""

    index: Annotated[list[int], Field(description="Index along each axis.")]
    code: str
    detail: str


class PointsWarning(Reply):
    """A warning about some points."""

    code: str
    detail: str
    indices: Annotated[list[list[int]], Field(description="Index along each axis of every point with this warning.")]
    modes: Annotated[
        list[int] | None, Field(description="Indices of the modes that it is about, from 0; absent for others.")
    ] = None


class TableReply(Reply):
    """The result of a job. In npz, `coordinates.NAME` and `data.NAME` are arrays; `metadata` has their dimensions."""

    job: str
    kind: str
    coordinates: Annotated[
        dict[str, JSONField],
        Field(description="Values along each dimension; `time` has the computed times, which may be rounded."),
    ]
    data: Annotated[
        dict[str, Variable],
        Field(
            description="null where a point could not be computed. If points do not share their times, `times` is an "
            "array over the axes that the times depend on, and there is no coordinate `time`."
        ),
    ]
    problems: list[PointProblem]
    warnings: Annotated[
        list[PointsWarning],
        Field(description="Warnings of points, one for each code and detail; at most 100 details for each code."),
    ] = Field(default_factory=list[PointsWarning])
    request: Annotated[dict[str, JSONField], Field(description="The request, with drawn seeds and defaults filled in.")]
    version: str
