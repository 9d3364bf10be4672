"""Losses of other tasks along a trajectory, and when it is best to stop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from lindyn._public import public
from lindyn.wire.array import FloatArray
from lindyn.wire.evaluation import BestTime
from lindyn.wire.tree import JSON

_RISES = 1e-9  # relative, above the least loss: what is no rounding error


@public
@dataclass(frozen=True, repr=False, eq=False)
class Evaluation:
    """Losses of the tasks of `evaluate` along a trajectory.

    Attributes:
        loss: (task, time), at the times of the trajectory.
        best: the least loss of each task at any time up to the last one, and the earliest time that has it:
            `best[0].time` and `best[0].loss`.
        seeds: the seed of each task, None where it has none.
        last_time: last time of the trajectory.
    """

    loss: FloatArray
    best: Sequence[BestTime]
    seeds: Sequence[int | None]
    last_time: float

    def words(self, task: int = 0) -> str:
        """Say for how long learning is useful for a task, such as `overfits from t = 3.1 on: ...`."""
        best, last = self.best[task], float(self.loss[task, -1])
        if last > best.loss * (1 + _RISES):
            return (
                f"overfits from t = {best.time:.6g} on: its loss rises from {best.loss:.6g} to {last:.6g} at "
                f"t = {self.last_time:.6g}"
            )
        return f"does not overfit by t = {self.last_time:.6g}: its loss falls to {best.loss:.6g} at t = {best.time:.6g}"

    def __repr__(self) -> str:
        lines = "".join(f"\n  task {i} {self.words(i)}" for i in range(len(self.best)))
        return f"<Evaluation of {len(self.best)} tasks at {self.loss.shape[1]} times{lines}>"

    def _repr_html_(self) -> str:
        from lindyn.results.html import card  # noqa: PLC0415 (needed in notebooks only)

        return card("Evaluation", [(f"task {i}", self.words(i)) for i in range(len(self.best))])


def evaluation_from_parts(metadata: JSON, loss: FloatArray, times: FloatArray) -> Evaluation:
    """Build an evaluation from the JSON part of its field of a reply, and its losses."""
    parts = cast("Mapping[str, Sequence[JSON]]", metadata)
    best = [BestTime.model_validate(each) for each in parts["best"]]
    return Evaluation(loss, best, cast("Sequence[int | None]", parts["seeds"]), float(times[-1]))
