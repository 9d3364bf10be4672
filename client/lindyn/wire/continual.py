"""Continual learning: tasks that are trained in sequence."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from lindyn.wire.array import Arrays
from lindyn.wire.base import FromNumpy, NonNegative, Positive, Reply, Request
from lindyn.wire.network import Network
from lindyn.wire.task import Task
from lindyn.wire.trajectory import ReplyWarning
from lindyn.wire.tree import Tree
from lindyn.wire.validation_messages import FORM

TIME, WORD = "(time)", "(word)"  # tags of a union; parentheses keep them distinct from names of fields


def _form(value: Tree) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return TIME
    return WORD if isinstance(value, str) and value == "converged" else None


Duration = Annotated[
    Annotated[NonNegative, Tag(TIME)] | Annotated[Literal["converged"], Tag(WORD)],
    Discriminator(_form, custom_error_type=FORM, custom_error_message="expected a number or 'converged'"),
    FromNumpy,
]


class ContinualTask(Request):
    """A task, and the duration of training on it."""

    task: Task
    duration: Annotated[Duration, Field(description="A time, or `converged` to train until convergence.")] = "converged"


class ContinualRequest(Request):
    """Request for the continual learning of a balanced network of two layers on isotropic inputs."""

    network: Network
    tasks: Annotated[list[ContinualTask], Field(min_length=1, max_length=64)]
    num: Annotated[
        int,
        Field(strict=True, ge=2, le=100_000, description="Number of times in each segment, both ends included."),
        FromNumpy,
    ] = 200
    time_constant: Annotated[Positive, Field(description="tau of the gradient flow, in the unit of times.")] = 1.0

    @property
    def dims(self) -> tuple[int, ...]:
        """Widths of the network, input first."""
        return tuple(self.network.dims)


class SegmentReply(Reply):
    """The interval of training on a task; `first` and `last` are its indices on the time axis."""

    task: int
    start: float
    stop: float
    first: int
    last: int


class BestStop(Reply):
    """The time of training on a later task at which the loss of an old task is smallest."""

    task: Annotated[int, Field(description="The old task.")]
    segment: Annotated[int, Field(description="The segment of training on the later task.")]
    time: Annotated[float, Field(description="Time on the common axis.")]
    loss: float
    rate: float
    interior: Annotated[
        bool, Field(description="Whether this is an interior minimum; else the time is an end of the segment.")
    ]


class ContinualReply(Reply):
    """The losses of all tasks on one time axis; the common end of two segments occurs twice, with the rates of each."""

    key: str
    lam: Annotated[float, Field(alias="lambda")]
    dims: list[int]
    seed: int | None
    task_seeds: list[int | None]
    time_constant: float
    times: Arrays
    loss: Annotated[Arrays, Field(description="(task, time)")]
    rate: Annotated[Arrays, Field(description="dL/dt, (task, time); for old tasks this is the rate of forgetting.")]
    forgetting: Annotated[
        Arrays,
        Field(description="Loss minus the loss at the end of the task's own segment, (task, time); null before."),
    ]
    final_loss: Annotated[Arrays, Field(description="Losses at the end of each segment, (segment, task).")]
    segments: list[SegmentReply]
    best_stopping: list[BestStop]
    warnings: list[ReplyWarning]
    version: str
