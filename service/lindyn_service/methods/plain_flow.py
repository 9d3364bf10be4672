"""Learning rates, schedules and weight decay: the plain flow that they amount to, and the way back."""

import math
from dataclasses import dataclass, replace

import numpy as np

from lindyn_service.dynamics.flow import Layers
from lindyn_service.dynamics.learning_rates import CosineSchedule, ExponentialSchedule, PiecewiseSchedule, Schedule
from lindyn_service.dynamics.modal_weights import ModalWeights, Training
from lindyn_service.methods.base import LearningProblem

_SCHEDULES: dict[type[Schedule], str] = {
    CosineSchedule: "cosine",
    ExponentialSchedule: "exponential",
    PiecewiseSchedule: "piecewise",
}


def plain(problem: LearningProblem) -> LearningProblem:
    """The problem with the weights of its plain flow, on which `clock` and `time_at` go from its times and back."""
    if problem.rates is None or problem.rates.are_equal:
        return problem
    wide = None if problem.wide is None else problem.wide.rescaled(problem.rates.relative)
    return replace(problem, weights=problem.rates.plain_weights(problem.weights), lam=None, wide=wide)


def clock(problem: LearningProblem, times: np.ndarray) -> np.ndarray:
    """Times of the plain flow with the time constant 1."""
    return times / problem.time_constant if problem.rates is None else problem.rates.plain_times(times)


def last_clock(problem: LearningProblem) -> float:
    """Time of the plain flow for t to infinity: infinity, unless a schedule ends learning before."""
    return math.inf if problem.rates is None else problem.rates.plain_total


def effective_rate(problem: LearningProblem) -> float:
    """Rate of the plain flow: the geometric mean of the learning rates over the time constant."""
    return (1.0 if problem.rates is None else problem.rates.mean) / problem.time_constant


def time_at(problem: LearningProblem, plain_time: float) -> float:
    """The time at which the plain flow is at a time of its own; infinity where a schedule ends before."""
    if problem.rates is None:
        return plain_time * problem.time_constant
    return float(problem.rates.times(np.array([plain_time]))[0])


def reached_at(problem: LearningProblem, plain_time: float | None) -> float | None:
    """The same of a time that may not exist; None also where a schedule ends before."""
    found = np.inf if plain_time is None else time_at(problem, plain_time)
    return found if np.isfinite(found) else None


def plain_decay(problem: LearningProblem) -> tuple[float, ...]:
    """Weight decay of each layer in the plain flow; empty for none."""
    if not problem.weight_decay:
        return ()
    if problem.rates is None:
        return (problem.weight_decay,) * len(problem.weights)
    return problem.rates.plain_decay(problem.weight_decay)


def balance_as_asked(problem: LearningProblem, lam: float) -> float:
    """The lambda of W2^T W2 / c2 - W1 W1^T / c1 = lambda I from the balance of the plain flow's weights."""
    return lam if problem.rates is None else lam / problem.rates.mean


def remark_on_training(problem: LearningProblem) -> str:
    """What the reason of an answer says about rates and decay; nothing where there are none."""
    said: list[str] = []
    if problem.rates is not None:
        if set(problem.rates.layers) != {1.0}:
            said.append("learning rates " + ", ".join(f"{c:g}" for c in problem.rates.layers))
        if type(problem.rates.schedule) in _SCHEDULES:
            said.append(f"{_SCHEDULES[type(problem.rates.schedule)]} schedule")
    if problem.weight_decay:
        said.append(f"weight decay {problem.weight_decay:g}")
    return "".join(f", {each}" for each in said)


def floors_with_decay(problem: LearningProblem, sigma_yx: np.ndarray, size: float) -> dict[str, float]:
    """Size of the terms whose difference is the rate of the loss at the end of learning with weight decay.

    Args:
        problem: given or plain.
        sigma_yx: of the task.
        size: of the squares of the weights.
    """
    if not problem.weight_decay:
        return {}
    rate = effective_rate(problem)
    residual = min(problem.weight_decay, float(np.linalg.norm(sigma_yx)))
    return {"loss_rate": rate * problem.weight_decay * residual * size}


@dataclass(frozen=True)
class AsAsked:
    """From the layers of the plain flow to those of the problem.

    Attributes:
        roots: factors of the layers.
        training: how they learn, at all times of the problem; None for the plain flow, whose layers are those asked.
    """

    roots: tuple[float, ...]
    training: Training | None

    def layers(self, plain_layers: Layers) -> Layers:
        """Layers of the problem."""
        if self.training is None:
            return plain_layers
        return tuple(w * root for w, root in zip(plain_layers, self.roots, strict=True))

    def frame(self, found: ModalWeights, times: slice) -> ModalWeights:
        """The frame of the problem at some of its times, from that of the plain flow."""
        if self.training is None:
            return found
        changes = found.gram_changes
        return replace(
            found,
            layers=self.layers(found.layers),
            initial=None if found.initial is None else self.frame(found.initial, slice(0, 1)),
            gram_changes=changes and (self.roots[-1] ** 2 * changes[0], self.roots[0] ** 2 * changes[1]),
            training=replace(self.training, factors=self.training.factors[times]),
        )


PLAIN = AsAsked((), None)
"""Of problems that are plain flows."""


def as_asked(problem: LearningProblem) -> AsAsked:
    """What turns layers of the plain flow into those of a problem, given or plain."""
    rates = problem.rates
    roots = (1.0,) * len(problem.weights) if rates is None else tuple(float(np.sqrt(c)) for c in rates.relative)
    return AsAsked(roots, training(problem, problem.times))


def training(problem: LearningProblem, times: np.ndarray) -> Training | None:
    """How the layers of a problem learn at some times; None for the plain flow with its time constant."""
    if problem.rates is None:
        ones = (1.0,) * len(problem.weights)
        return Training(ones, np.ones_like(times), problem.weight_decay) if problem.weight_decay else None
    return Training(problem.rates.layers, problem.rates.schedule.factors(times), problem.weight_decay)
