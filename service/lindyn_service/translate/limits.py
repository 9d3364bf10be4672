"""Limits as t -> infinity and as lambda -> +-infinity."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from lindyn.wire.asymptotics import LimitsRequest
from lindyn.wire.tree import Tree
from lindyn_service.dynamics.asymptotics import extreme
from lindyn_service.dynamics.closed_form import ClosedForm
from lindyn_service.dynamics.convergence import converged, convergence_time
from lindyn_service.dynamics.modal_loss import white_objective
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.mode_overlap import ModeOverlap, mode_overlap
from lindyn_service.dynamics.observables import excess_loss, input_representation, output, output_representation
from lindyn_service.dynamics.sharpness import largest_learning_rate
from lindyn_service.methods.base import AnswerWarning
from lindyn_service.methods.closed_form_only import require_exact
from lindyn_service.methods.conditioning import conditioning
from lindyn_service.methods.diagnostics import of_loss
from lindyn_service.methods.exact_run import ExactRun
from lindyn_service.methods.modal_run import ModalRun
from lindyn_service.methods.plain_flow import from_plain_flow, last_clock, problem_lambda
from lindyn_service.translate.encode import VERSION
from lindyn_service.translate.limits_of_modes import limits_of_modes
from lindyn_service.translate.limits_of_one_layer import limits_of_one_layer
from lindyn_service.translate.problem import moments, rates, weights


def limits(request: LimitsRequest, key: str) -> dict[str, Tree]:
    """Solve a network, and return its limit, its convergence time, and the limits of large lambda.

    Raises:
        ServiceError: the numbers of the request are contradictory, or no exact solution covers it.
    """
    trained_on = moments(request.task, request.dims)
    own_rates = rates(request)
    drawn = weights(request.network, trained_on, own_rates)
    if len(request.dims) == 2:
        return limits_of_one_layer(request, key, drawn, trained_on)
    problem = require_exact(
        request.network, drawn, trained_on, request.time_constant, rates=own_rates, decay=request.weight_decay
    )
    if isinstance(problem, ModalRun):
        return limits_of_modes(request, key, problem)
    solution = problem.solution()
    end = _end(problem, solution)
    rate = float(largest_learning_rate(end)[0]) / (1.0 if own_rates is None else own_rates.mean)
    reached = mode_overlap(solution)
    white_time = convergence_time(solution, request.tolerance / problem.white.variance)
    return {
        "key": key,
        "lambda": problem_lambda(problem.problem, problem.lam),
        "dims": list(request.dims),
        "seed": getattr(request.network, "seed", None),
        "task_seed": getattr(request.task, "seed", None),
        "time_constant": request.time_constant,
        "tolerance": request.tolerance,
        "converged": _converged(problem, from_plain_flow(problem.problem).modal_weights(end, slice(0, 1)), reached),
        "convergence_time": problem.time_at(white_time),
        "effective_learning_rate": abs(problem.lam) / problem.time_constant,
        "largest_learning_rate": rate if math.isfinite(rate) else None,
        "lambda_to_infinity": {
            "positive": _extreme(problem, abs(problem.lam)),
            "negative": _extreme(problem, -abs(problem.lam)),
        },
        "shallow": _shallow(problem, request.tolerance),
        "warnings": [warned.message() for warned in _warnings(problem, solution, reached)],
        "version": VERSION,
    }


def _warnings(problem: ExactRun, solution: ClosedForm, reached: ModeOverlap) -> Iterator[AnswerWarning]:
    yield from conditioning(solution, reached, problem.white.variance)
    yield from of_loss(problem.problem)


def _end(problem: ExactRun, solution: ClosedForm) -> ModalWeights:
    """Return the network of the plain flow at t to infinity."""
    objective = white_objective(problem.white, solution.modes, problem.problem.moments.samples)
    last = last_clock(problem.problem) * problem.white.variance
    if math.isinf(last):
        return problem.modal_weights(objective, converged(solution), None)
    times = np.array([last])
    modal = problem.modal_weights(objective, solution.at(times), None)
    return replace(modal, error=solution.errors(times, modal.strengths))


def _converged(problem: ExactRun, modal: ModalWeights, reached: ModeOverlap) -> dict[str, Tree]:
    excess = float(excess_loss(modal)[0])
    return {
        "output": output(modal)[0],
        "input_representation": input_representation(modal)[0],
        "output_representation": output_representation(modal)[0],
        "loss": excess + (problem.white.irreducible_loss or 0.0),
        "excess_loss": excess,
        "reached_rank": reached.reached,
        "task_rank": reached.task_rank,
    }


def _extreme(problem: ExactRun, lam: float) -> dict[str, Tree]:
    found = extreme(problem.w1, problem.w2, problem.white.sigma_yx, lam)
    basis = problem.white.basis
    fast = found.fast_limit
    return {
        "exists": found.exists,
        "one_time_scale": found.one_time_scale,
        "fast_limit": fast if fast is None or basis is None else fast @ basis.T,
        "fast_rate": found.fast_rate / problem.time_constant,
        "slow_rates": found.slow_rates / problem.time_constant,
    }


def _shallow(problem: ExactRun, tolerance: float) -> dict[str, Tree]:
    """Return the limit of a shallow network, whose modes all decay at one rate: excess e^{-2 rate t} = tolerance."""
    white = problem.white
    error = problem.w2 @ problem.w1 - white.sigma_yx
    excess = 0.5 * white.variance * float(np.sum(error * error))
    end = white.sigma_yx + error * math.exp(-last_clock(problem.problem) * white.variance)
    return {
        "output": end if white.basis is None else end @ white.basis.T,
        "rate": 1 / problem.time_constant,
        "convergence_time": problem.time_at(math.log(max(excess / tolerance, 1.0)) / 2),
    }
