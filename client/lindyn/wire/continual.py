"""Tasks learned one after the other."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from lindyn.wire.base import FromNumpy, NonNegative, Positive, Reply, Request
from lindyn.wire.network import Network
from lindyn.wire.task import Task
from lindyn.wire.trajectory import ReplyWarning
from lindyn.wire.validation_messages import FORM

TIME, WORD = "(time)", "(word)"


def _form(value: Any) -> str | None:  # noqa: ANN401 (unvalidated input)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return TIME
    return WORD if isinstance(value, str) and value == "converged" else None


Duration = Annotated[
    Annotated[NonNegative, Tag(TIME)] | Annotated[Literal["converged"], Tag(WORD)],
    Discriminator(_form, custom_error_type=FORM, custom_error_message="expected a number or 'converged'"),
    FromNumpy,
]


class ContinualTask(Request):
    """One task, and for how long it is trained."""

    task: Task
    duration: Annotated[Duration, Field(description="A time, or until it settles.")] = "converged"


class ContinualRequest(Request):
    """What does a network forget? Two layers, isotropic inputs, balanced weights."""

    network: Network
    tasks: Annotated[list[ContinualTask], Field(min_length=1, max_length=64)]
    num: Annotated[
        int, Field(strict=True, ge=2, le=100_000, description="Times in each segment, both ends included."), FromNumpy
    ] = 200
    time_constant: Annotated[Positive, Field(description="tau of the gradient flow, in the unit of times.")] = 1.0

    @property
    def dims(self) -> tuple[int, ...]:
        """Widths of the network, input first."""
        return tuple(self.network.dims)


class SegmentReply(Reply):
    """When a task was trained; `first` and `last` are its places on the time axis."""

    task: int
    start: float
    stop: float
    first: int
    last: int


class BestStop(Reply):
    """When training on a later task serves an old task best."""

    task: Annotated[int, Field(description="The old task.")]
    segment: Annotated[int, Field(description="The segment, whose task is trained.")]
    time: Annotated[float, Field(description="On the time axis.")]
    loss: float
    rate: float
    interior: Annotated[bool, Field(description="Whether the loss is stationary there; else it is an end.")]


class ContinualReply(Reply):
    """Losses of all tasks on one time axis; bounds of segments are on it twice, with the rates of both sides."""

    key: str
    lam: Annotated[float, Field(alias="lambda")]
    dims: list[int]
    seed: int | None
    task_seeds: list[int | None]
    time_constant: float
    times: Any
    loss: Annotated[Any, Field(description="(task, time)")]
    rate: Annotated[Any, Field(description="dL/dt, (task, time): of old tasks, the rate of forgetting.")]
    forgetting: Annotated[
        Any, Field(description="Loss minus that at the end of the task's own segment, (task, time); null before.")
    ]
    final_loss: Annotated[Any, Field(description="At the end of each segment, (segment, task).")]
    segments: list[SegmentReply]
    best_stopping: list[BestStop]
    warnings: list[ReplyWarning]
    version: str
