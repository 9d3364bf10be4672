"""Transformation of learning rates and schedules to the plain flow, and back.

The plain flow is the gradient flow with time constant 1, learning rates of 1 and no schedule. Rescaled layers and a
transformed time turn a flow with learning rates c_l and a schedule g(t) into the plain flow.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from lindyn_service.dynamics.layers import Layers
from lindyn_service.dynamics.learning_rates import CosineSchedule, ExponentialSchedule, PiecewiseSchedule, Schedule
from lindyn_service.dynamics.modal_weights import ModalWeights, Training
from lindyn_service.methods.base import LearningProblem

_SCHEDULES: dict[type[Schedule], str] = {
    CosineSchedule: "cosine",
    ExponentialSchedule: "exponential",
    PiecewiseSchedule: "piecewise",
}


def plain(problem: LearningProblem) -> LearningProblem:
    """Return the problem in the weights of the plain flow; `clock` and `time_at` convert its times and back."""
    if problem.rates is None or problem.rates.are_equal:
        return problem
    wide = None if problem.wide is None else problem.wide.rescaled(problem.rates.relative)
    return replace(problem, weights=problem.rates.plain_weights(problem.weights), lam=None, wide=wide)


def clock(problem: LearningProblem, times: np.ndarray) -> np.ndarray:
    """Convert times of the problem to times of the plain flow."""
    return times / problem.time_constant if problem.rates is None else problem.rates.plain_times(times)


def last_clock(problem: LearningProblem) -> float:
    """Time of the plain flow for t to infinity: infinity, unless a schedule ends learning before."""
    return math.inf if problem.rates is None else problem.rates.plain_total


def effective_rate(problem: LearningProblem) -> float:
    """Rate of the plain flow: the geometric mean of the learning rates over the time constant."""
    return (1.0 if problem.rates is None else problem.rates.mean) / problem.time_constant


def time_at(problem: LearningProblem, plain_time: float) -> float:
    """Convert a time of the plain flow to a time of the problem; infinity if the schedule never reaches it."""
    if problem.rates is None:
        return plain_time * problem.time_constant
    return float(problem.rates.times(np.array([plain_time]))[0])


def reached_at(problem: LearningProblem, plain_time: float | None) -> float | None:
    """Convert a time of the plain flow as `time_at` does; None for None, and if the schedule never reaches it."""
    time = np.inf if plain_time is None else time_at(problem, plain_time)
    return time if np.isfinite(time) else None


def plain_decay(problem: LearningProblem) -> tuple[float, ...]:
    """Return the weight decay of each layer in the plain flow; empty without weight decay."""
    if not problem.weight_decay:
        return ()
    if problem.rates is None:
        return (problem.weight_decay,) * len(problem.weights)
    return problem.rates.plain_decay(problem.weight_decay)


def problem_lambda(problem: LearningProblem, lam: float) -> float:
    """Convert lambda of the plain flow's weights to lambda of W2^T W2 / c2 - W1 W1^T / c1 = lambda I."""
    return lam if problem.rates is None else lam / problem.rates.mean


def remark_on_training(problem: LearningProblem) -> str:
    """Return the part of an answer's reason about learning rates and weight decay; empty without them."""
    remarks: list[str] = []
    if problem.rates is not None:
        if set(problem.rates.layers) != {1.0}:
            remarks.append("learning rates " + ", ".join(f"{c:g}" for c in problem.rates.layers))
        if type(problem.rates.schedule) in _SCHEDULES:
            remarks.append(f"{_SCHEDULES[type(problem.rates.schedule)]} schedule")
    if problem.weight_decay:
        remarks.append(f"weight decay {problem.weight_decay:g}")
    return "".join(f", {remark}" for remark in remarks)


def floors_with_decay(problem: LearningProblem, sigma_yx: np.ndarray, size: float) -> dict[str, float]:
    """Size of the two terms that cancel in the rate of the loss late in training with weight decay.

    Args:
        problem: the problem, in its own weights or those of the plain flow.
        sigma_yx: input-output correlation of the task.
        size: sum of squares of the weights.

    Returns:
        The least size that the error of `loss_rate` is taken relative to, for `bounds`; empty without weight decay.
    """
    if not problem.weight_decay:
        return {}
    rate = effective_rate(problem)
    residual = min(problem.weight_decay, float(np.linalg.norm(sigma_yx)))
    return {"loss_rate": rate * problem.weight_decay * residual * size}


@dataclass(frozen=True)
class FromPlainFlow:
    """Transformation from layers of the plain flow to layers of the problem.

    Attributes:
        roots: factors of the layers.
        training: learning rates, schedule at all times of the problem, and weight decay; None if the problem is a plain
            flow, whose layers stay as they are.
    """

    roots: tuple[float, ...]
    training: Training | None

    def layers(self, plain_layers: Layers) -> Layers:
        """Return the layers of the problem from those of the plain flow."""
        if self.training is None:
            return plain_layers
        return tuple(w * root for w, root in zip(plain_layers, self.roots, strict=True))

    def modal_weights(self, plain_weights: ModalWeights, times: slice) -> ModalWeights:
        """Return the weights of the problem from those of the plain flow, for observables.

        Args:
            plain_weights: weights of the plain flow in the singular bases of the task.
            times: indices of their times among those of the problem.
        """
        if self.training is None:
            return plain_weights
        changes = plain_weights.gram_changes
        return replace(
            plain_weights,
            layers=self.layers(plain_weights.layers),
            initial=None if plain_weights.initial is None else self.modal_weights(plain_weights.initial, slice(0, 1)),
            gram_changes=changes and (self.roots[-1] ** 2 * changes[0], self.roots[0] ** 2 * changes[1]),
            training=replace(self.training, factors=self.training.factors[times]),
        )


IDENTITY = FromPlainFlow((), None)
"""The transformation of problems that are plain flows: the identity."""


def from_plain_flow(problem: LearningProblem) -> FromPlainFlow:
    """Return the transformation from layers of the plain flow to layers of the problem."""
    rates = problem.rates
    roots = (1.0,) * len(problem.weights) if rates is None else tuple(float(np.sqrt(c)) for c in rates.relative)
    return FromPlainFlow(roots, training(problem, problem.times))


def training(problem: LearningProblem, times: np.ndarray) -> Training | None:
    """Return learning rates, schedule and weight decay at some times; None for a plain flow."""
    if problem.rates is None:
        ones = (1.0,) * len(problem.weights)
        return Training(ones, np.ones_like(times), problem.weight_decay) if problem.weight_decay else None
    return Training(problem.rates.layers, problem.rates.schedule.factors(times), problem.weight_decay)
