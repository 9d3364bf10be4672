"""Continual learning: tasks trained in sequence as a chain of exact solutions, and forgetting."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.closed_form import ClosedForm, closed_form
from lindyn_service.dynamics.convergence import settling_time

_MARGIN = 1.25  # factor of the settling time after which the remaining distance is at rounding level
_UNIT = 2.0**-200  # in this unit the longest durations are finite, and the steps of the shortest are normal numbers


class UnsettledError(ValueError):
    """The network function does not settle on a task that is to be trained until it does.

    Attributes:
        task: index of the task.
    """

    def __init__(self, task: int) -> None:
        super().__init__(f"task {task} does not settle within 1e7 / kappa_max")
        self.task = task


@dataclass(frozen=True)
class ContinualTask:
    """Task with isotropic inputs, sigma_xx = c I.

    Attributes:
        sigma_yx: task of the equivalent white inputs: the input-output correlation divided by c, (out, in).
        variance: c, by which the flow is faster and the loss is larger than for white inputs.
    """

    sigma_yx: Float[np.ndarray, "out in"]
    variance: float = 1.0


@dataclass(frozen=True)
class Segment:
    """Training on one task; times since the beginning of the segment are in units of the time constant.

    Attributes:
        task: task that is trained.
        solution: exact solution for the equivalent white inputs, whose times are `task.variance` times as long.
        w1: weights at the start, up to a rotation of the hidden units.
        w2: weights at the start, up to the same rotation.
        duration: length of the segment, in units of the time constant.
        before: task of the previous segment, and the error W - sigma_yx for it at the start of this segment, accurate
            relative to the error; None for the first segment.
    """

    task: ContinualTask
    solution: ClosedForm
    w1: Float[np.ndarray, "hidden in"]
    w2: Float[np.ndarray, "out hidden"]
    duration: float
    before: tuple[ContinualTask, Float[np.ndarray, "out in"]] | None = None

    def end(self) -> tuple[Float[np.ndarray, "reached in"], Float[np.ndarray, "out reached"]]:
        """Weights at the end, in the hidden directions that have weights."""
        factors = self.solution.at(np.array([self.task.variance * self.duration]))
        return (self.solution.modes.v @ factors.into[0]).T, self.solution.modes.u @ factors.out[0]

    def learned(self) -> tuple[ContinualTask, Float[np.ndarray, "out in"]]:
        """Value of `before` for the next segment: the trained task, and its error at the end."""
        if self.duration == 0 and self.before is not None:
            return self.before
        times = np.array([self.task.variance * self.duration])
        factors, basis = self.solution.at(times), self.solution.modes
        error = self.solution.errors(times, factors.out @ factors.into.transpose(0, 2, 1))[0]
        return self.task, basis.u @ error @ basis.v.T


@dataclass(frozen=True)
class Course:
    """A sequence of tasks, one segment each; losses are excess losses.

    Attributes:
        segments: in the order of training.
        times: times since the start of the first segment, including both ends of each segment.
        losses: losses of every task.
        rates: time derivatives of the losses; for tasks of earlier segments, these are rates of forgetting.
        w1: weights at the end, up to a rotation of the hidden units.
        w2: weights at the end, up to the same rotation.
    """

    segments: tuple[Segment, ...]
    times: Float[np.ndarray, "segment num"]
    losses: Float[np.ndarray, "segment num task"]
    rates: Float[np.ndarray, "segment num task"]
    w1: Float[np.ndarray, "reached in"]
    w2: Float[np.ndarray, "out reached"]


def continual(
    w1: Float[np.ndarray, "hidden in"],
    w2: Float[np.ndarray, "out hidden"],
    lam: float,
    tasks: Sequence[ContinualTask],
    durations: Sequence[float | None],
    num: int,
    *,
    rounded: bool = True,
) -> Course:
    """Train on tasks in sequence; gradient flow conserves the balance, so that each segment has an exact solution.

    Args:
        w1: initial first layer, (hidden, in).
        w2: initial second layer, (out, hidden).
        lam: balance of the weights.
        tasks: in the order of training.
        durations: duration of each segment in units of the time constant; None trains until the network function has
            settled.
        num: number of times per segment, at least 2.
        rounded: whether the initial weights carry rounding errors, see `closed_form`; those of later segments do.

    Raises:
        UnsettledError: a task whose duration is None does not settle.

    Source: Braun et al. (2022), arXiv 2206.03738, continual learning; thesis section 4.4 for any lambda.
    """
    segments: list[Segment] = []
    before = None
    for index, (task, duration) in enumerate(zip(tasks, durations, strict=True)):
        solution = closed_form(w1, w2, task.sigma_yx, lam, rounded=rounded or index > 0)
        length = _until_settled(solution, task, index) if duration is None else duration
        segment = Segment(task, solution, w1, w2, length, before)
        segments.append(segment)
        (w1, w2), before = segment.end(), segment.learned()
    grids = [_even(segment.duration, num) for segment in segments]
    measured = [measure(segment, tasks, grid) for segment, grid in zip(segments, grids, strict=True)]
    begins = np.cumsum([0.0, *(segment.duration for segment in segments[:-1])])
    return Course(
        segments=tuple(segments),
        times=begins[:, None] + np.stack(grids),
        losses=np.stack([losses for losses, _ in measured]),
        rates=np.stack([rates for _, rates in measured]),
        w1=w1,
        w2=w2,
    )


def measure(
    segment: Segment, tasks: Sequence[ContinualTask], times: Float[np.ndarray, " time"]
) -> tuple[Float[np.ndarray, "time task"], Float[np.ndarray, "time task"]]:
    """Excess losses of tasks and their time derivatives at ascending times of a segment.

    L_i = c_i/2 ||W - S_i||_F^2 and dL_i/dt = c_i Tr[dW/dt (W - S_i)^T], where training on task k gives
    dW/dt = c_k [w2 w2^T (S_k - W) + (S_k - W) w1^T w1].

    Source: thesis Theorem 4.4.1, (4.36) corrected to (4.42), with isotropic inputs of any variance.
    """
    losses, rates = np.empty((len(times), len(tasks))), np.empty((len(times), len(tasks)))
    solution, trained = segment.solution, segment.task
    # norms do not change in the singular bases of the trained task
    basis = solution.modes
    others = [basis.u.T @ (trained.sigma_yx - task.sigma_yx) @ basis.v for task in tasks]
    white_times = trained.variance * times
    for part, factors in solution.batches(white_times):
        error = -solution.errors(white_times[part], factors.out @ factors.into.transpose(0, 2, 1))
        velocity = factors.out @ (factors.out.transpose(0, 2, 1) @ error)
        velocity += (error @ factors.into) @ factors.into.transpose(0, 2, 1)
        at_start = np.flatnonzero(white_times[part] == 0)
        for i, (task, other) in enumerate(zip(tasks, others, strict=True)):
            away = other - error
            if segment.before is not None:
                # subtraction would leave rounding errors where the previous task is learned
                known, distance = segment.before
                away[at_start] = basis.u.T @ (distance + (known.sigma_yx - task.sigma_yx)) @ basis.v
            losses[part, i] = 0.5 * task.variance * np.einsum("tij,tij->t", away, away)
            rates[part, i] = task.variance * trained.variance * np.einsum("tij,tij->t", velocity, away)
    return losses, rates


def forgetting(course: Course) -> Float[np.ndarray, "task after_segment after_segment"]:
    """Forgetting F_i(j, k): the loss of task i at the end of segment k minus that at the end of segment j.

    Source: Braun et al. (2022), arXiv 2206.03738, continual learning; thesis (4.37).
    """
    ends = course.losses[:, -1].T
    return ends[:, None, :] - ends[:, :, None]


def _until_settled(solution: ClosedForm, task: ContinualTask, index: int) -> float:
    duration = settling_time(solution)
    if duration is None:
        raise UnsettledError(index)
    return _MARGIN * duration / task.variance


def _even(duration: float, num: int) -> Float[np.ndarray, " time"]:
    """Evenly spaced times, computed in a small unit of time so that short steps do not underflow."""
    return np.linspace(0.0, duration / _UNIT, num) * _UNIT
