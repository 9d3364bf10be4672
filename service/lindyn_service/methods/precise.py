"""Integration in 32 digits, where rounding errors in float64 decide more than the last digits of an answer."""

from dataclasses import replace

import numpy as np

from lindyn_service.dynamics.flow import FlowError
from lindyn_service.dynamics.frame import layers_frame
from lindyn_service.dynamics.objective import Objective, objective
from lindyn_service.dynamics.precise_flow import NetworkStates, PreciseFlow
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.base import Outcome, Problem
from lindyn_service.methods.collect import Collector

_DOUBTFUL = 1e-10  # relative error of a quantity, beyond which an answer is computed anew
_MOST_STEPS, _MOST_WEIGHTS = 300, 1000  # some seconds
_OF_ROUNDING = ("ill-conditioned", "tolerance-not-met")  # warnings that no longer hold
_SAFETY = 30.0  # of a quantity's error over that of the weights and of the residual


def refined(problem: Problem, outcome: Outcome) -> Outcome:
    """Compute an answer anew in 32 digits if its errors are large and the numbers that were given decide.

    Weights that were drawn stand for balanced ones, whose rounding errors mean nothing.

    Args:
        problem: what is asked.
        outcome: its answer in float64.

    Returns:
        The better answer, or the given one where there is none, or where it would take too long.
    """
    errors: dict[str, float] = outcome.diagnostics.get("errors", {})
    size = sum(w.size for w in problem.weights)
    if any(warned.code == "saddle" for warned in outcome.warnings):
        return outcome
    if problem.lam is not None or size > _MOST_WEIGHTS or max(errors.values(), default=0.0) <= _DOUBTFUL:
        return outcome
    try:
        collected, found = _integrated(problem)
        quantities = collected.quantities()
    except (FlowError, NotApplicableError):
        return outcome
    better = {name: min(1.0, _SAFETY * found) for name in errors}
    if max(better.values()) >= max(errors.values()):
        return outcome
    return replace(
        outcome,
        method="flow",
        reason=f"{outcome.reason}; rounding errors grow in this run up to {max(errors.values()):.1g}, so the gradient "
        "flow was integrated in 32 digits",
        quantities=quantities,
        diagnostics={**outcome.diagnostics, "errors": better},
        warnings=tuple(warned for warned in outcome.warnings if warned.code not in _OF_ROUNDING),
    )


def _integrated(problem: Problem) -> tuple[Collector, float]:
    """Quantities, and the largest relative error of the weights and of the residual."""
    trained_on, tau = problem.moments, problem.time_constant
    flow = PreciseFlow(problem.weights, trained_on.sigma_yx, trained_on.sigma_xx, max_steps=_MOST_STEPS)
    best = objective(trained_on)
    start = layers_frame(best, tuple(w[None] for w in problem.weights), tau)
    collected, error = Collector(problem.quantities, len(problem.times)), 0.0
    for part, states in flow.batches(problem.times / tau):
        frame = layers_frame(best, states.layers, tau, start)
        collected.observe(part, replace(frame, error=_error(states, best, white=trained_on.sigma_xx is None)))
        collected.store(part, "weights", states.layers)
        error = max(error, float(np.max(states.layers_error)), float(np.max(states.residual_error)))
    return collected, error


def _error(states: NetworkStates, best: Objective, *, white: bool) -> np.ndarray | None:
    """u^T (W - W*) v, which the residual tells where inputs are white."""
    return -best.u.T @ states.residual @ best.v if white else None
