"""Integration in 32 digits, for runs in which rounding errors of float64 grow beyond the last digits."""

from dataclasses import replace

import numpy as np

from lindyn_service.dynamics.flow import FlowError
from lindyn_service.dynamics.modal_loss import objective
from lindyn_service.dynamics.modal_weights import modal_weights
from lindyn_service.dynamics.precise_flow import PreciseFlow
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.accumulate import Accumulator
from lindyn_service.methods.base import LearningProblem, Outcome
from lindyn_service.methods.diagnostics import of_errors
from lindyn_service.methods.error_estimates import of_differences
from lindyn_service.methods.plain_flow import clock, from_plain_flow, plain_decay

_DOUBTFUL = 1e-10  # relative error of a quantity above which an answer is computed again
_MAX_STEPS, _MAX_WEIGHTS = 300, 1000  # which take some seconds
_OF_ROUNDING = ("ill-conditioned", "tolerance-not-met")  # warnings that do not hold for the new answer
_SAFETY = 30.0  # ratio of the bound of a quantity's error to the error of the weights and of the residual


def refined(problem: LearningProblem, outcome: Outcome) -> Outcome:
    """Compute an answer again in 32 digits if its errors are large and the weights are exact numbers of the request.

    More digits do not help if the weights are rounded: drawn balanced weights, wide layers, and layers with different
    learning rates, which the plain flow rescales.

    Args:
        problem: the learning problem.
        outcome: its answer in float64.

    Returns:
        The improved answer; the given one if it cannot be improved, or if that would take too long.
    """
    errors = outcome.errors
    size = sum(w.size for w in problem.weights)
    if problem.rates is not None and not problem.rates.are_equal:
        return outcome
    if any(warned.code == "saddle" for warned in outcome.warnings):
        return outcome
    if (
        problem.lam is not None
        or problem.wide is not None
        or size > _MAX_WEIGHTS
        or max(errors.values(), default=0.0) <= _DOUBTFUL
    ):
        return outcome
    try:
        collected, weights_error = _integrated(problem)
        quantities = collected.quantities()
    except (FlowError, NotApplicableError):
        return outcome
    rounding = of_differences(quantities, problem.moments)
    better = {name: min(1.0, _SAFETY * weights_error + rounding.get(name, 0.0)) for name in errors}
    improved = [name for name in errors if errors[name] > _DOUBTFUL and better[name] < errors[name]]
    if not improved:
        return outcome
    kept = {name: errors[name] for name in errors if name not in improved}
    return replace(
        outcome,
        method="flow",
        reason=f"{outcome.reason}; rounding errors grow in this run up to {max(errors.values()):.1g}, so the gradient "
        "flow was integrated in 32 digits",
        quantities={**outcome.quantities, **{name: quantities[name] for name in improved}},
        diagnostics={**outcome.diagnostics, "errors": {**errors, **{name: better[name] for name in improved}}},
        warnings=(
            *(warned for warned in outcome.warnings if warned.code not in _OF_ROUNDING),
            *of_errors({**kept, **{name: better[name] for name in improved}}),
        ),
    )


def _integrated(problem: LearningProblem) -> tuple[Accumulator, float]:
    """Integrate; return the quantities, and the largest relative error of the weights and of the residual."""
    trained_on, tau, from_plain = problem.moments, problem.time_constant, from_plain_flow(problem)
    flow = PreciseFlow(
        problem.weights,
        trained_on.sigma_yx,
        trained_on.sigma_xx,
        max_steps=_MAX_STEPS,
        weight_decay=plain_decay(problem),
    )
    best = objective(trained_on)
    start = modal_weights(best, tuple(w[None] for w in problem.weights), tau)
    collected, error = Accumulator(problem.quantities, len(problem.times)), 0.0
    for part, states in flow.batches(clock(problem, problem.times)):
        modal = modal_weights(best, states.layers, tau, start)
        collected.observe(part, from_plain.modal_weights(replace(modal, error=best.error_of(states.residual)), part))
        collected.store(part, "weights", states.layers)
        error = max(error, float(np.max(states.layers_error)), float(np.max(states.residual_error)))
    return collected, error
