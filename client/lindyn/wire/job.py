"""Jobs: work that goes on after the answer to the request for it."""

from typing import Annotated, Any, Literal

from pydantic import Field

from lindyn.wire.base import Reply, Request
from lindyn.wire.problem import Problem

State = Literal["queued", "running", "done", "failed", "cancelled"]

FINAL: tuple[State, ...] = ("done", "failed", "cancelled")


class ExperimentRequest(Request):
    """Overrides of the published parameters of an experiment."""

    parameters: Annotated[
        dict[str, Any],
        Field(max_length=100, description="Numbers, or lists of numbers, by the name of the parameter."),
    ] = Field(default_factory=dict[str, Any])


class Job(Reply):
    """A job and how far it is."""

    id: str
    kind: Annotated[str, Field(description="`sweep`, or the name of an experiment.")]
    state: State
    completed: Annotated[int, Field(description="Points that are computed.")]
    total: int
    created: Annotated[float, Field(description="Seconds since 1970, like the other times.")]
    started: float | None = None
    finished: float | None = None
    problem: Annotated[Problem | None, Field(description="Why it failed.")] = None
    owner: Annotated[
        str | None, Field(description="Whose key it was posted with; nobody else sees it. null where none is needed.")
    ] = None


class Jobs(Reply):
    """Jobs, the latest first."""

    jobs: list[Job]


class ExperimentParameter(Reply):
    """A parameter that a request may override."""

    default: Any
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
    """All experiments."""

    experiments: list[ExperimentDescription]


class Variable(Reply):
    """Values of one quantity over named dimensions."""

    dims: list[str]
    values: Any


class PointProblem(Reply):
    """A point that could not be computed, and why."""

    index: Annotated[list[int], Field(description="Place along each axis.")]
    code: str
    detail: str


class PointsWarning(Reply):
    """Something about some points that the reader of their values should know."""

    code: str
    detail: str
    indices: Annotated[list[list[int]], Field(description="Places along each axis of all points that have it.")]


class TableReply(Reply):
    """Labelled arrays: the result of a job. In npz `coordinates.NAME` and `data.NAME`, the dimensions in `metadata`."""

    job: str
    kind: str
    coordinates: Annotated[
        dict[str, Any],
        Field(description="Values along each dimension; `time` are the times of the answers, which may be rounded."),
    ]
    data: Annotated[
        dict[str, Variable],
        Field(
            description="null where a point could not be computed; `times` where points have times of their own, along "
            "the axes that these depend on, instead of a coordinate `time`."
        ),
    ]
    problems: list[PointProblem]
    warnings: Annotated[
        list[PointsWarning],
        Field(description="Of the points, those of one code and detail together; 100 details of a code at most."),
    ] = Field(default_factory=list[PointsWarning])
    request: Annotated[dict[str, Any], Field(description="What was asked, with drawn seeds and defaults filled in.")]
    version: str
