"""Evaluation on other data: losses of other tasks along a trajectory, and when it is best to stop for each."""

from typing import Annotated

from pydantic import Field

from lindyn.wire.array import Arrays
from lindyn.wire.base import Reply


class BestTime(Reply):
    """The least loss of a task from time 0 to the last time, at any time between, and the earliest time that has it."""

    time: float
    loss: float


class EvaluationReply(Reply):
    """Losses of the tasks of `evaluate` along the trajectory; `loss` is nested lists in JSON, an array in npz."""

    loss: Annotated[Arrays, Field(description="(task, time); the excess loss where the scale of targets is unknown.")]
    best: Annotated[list[BestTime], Field(description="One for each task, found on the solution and not on the times.")]
    seeds: Annotated[
        list[int | None], Field(description="The seed of each task, drawn if it was omitted; null where it has none.")
    ]
