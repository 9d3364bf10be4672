"""Limit as t -> infinity of a network of one layer, which has no lambda."""

import numpy as np

from lindyn.wire.asymptotics import LimitsRequest
from lindyn.wire.tree import Tree
from lindyn_service.dynamics.observables import excess_loss, input_representation, output, output_representation
from lindyn_service.dynamics.sharpness import sharpness
from lindyn_service.dynamics.tasks import EPS, Moments
from lindyn_service.methods.base import LearningProblem
from lindyn_service.methods.diagnostics import of_loss
from lindyn_service.methods.fewer_dimensions import unreduced
from lindyn_service.methods.one_layer import OneLayerRun
from lindyn_service.methods.plain_flow import effective_rate, last_clock
from lindyn_service.translate.encode import VERSION
from lindyn_service.translate.problem import rates

_EQUAL = 1e-13  # relative spread of variances that count as equal


def limits_of_one_layer(
    request: LimitsRequest, key: str, weights: tuple[np.ndarray, ...], trained_on: Moments
) -> dict[str, Tree]:
    """Return the limit of a network of one layer and its convergence time.

    Without weight decay, the field `shallow` describes the network itself.
    """
    tau, decay = request.time_constant, request.weight_decay
    problem = LearningProblem(weights, trained_on, tau, np.zeros(1), (), rates=rates(request), weight_decay=decay)
    run = OneLayerRun(problem, unreduced(problem))
    solution, time = run.solution(), run.convergence(request.tolerance).time
    end, rate = solution.modal_weights(np.array([last_clock(problem)]), tau), effective_rate(problem)
    found, steepest = output(end)[0], (float(sharpness(end)[0]) + decay) * rate
    excess, best = float(excess_loss(end)[0]), np.linalg.svd(solution.objective.best, compute_uv=False)
    rank = int(np.count_nonzero(best > max(found.shape) * EPS * best[0]))
    variances = solution.variances
    one = len(variances) > 0 and float(variances[0] - variances[-1]) <= _EQUAL * float(variances[0])
    return {
        "key": key,
        "lambda": None,
        "dims": list(request.dims),
        "seed": getattr(request.network, "seed", None),
        "task_seed": getattr(request.task, "seed", None),
        "time_constant": tau,
        "tolerance": request.tolerance,
        "converged": {
            "output": found,
            "input_representation": input_representation(end)[0],
            "output_representation": output_representation(end)[0],
            "loss": excess + (solution.objective.irreducible or 0.0),
            "excess_loss": excess,
            "reached_rank": rank,
            "task_rank": rank,
        },
        "convergence_time": time,
        "effective_learning_rate": None,
        "largest_learning_rate": 2 / steepest if steepest > 0 else None,
        "lambda_to_infinity": None,
        "shallow": None
        if decay
        else {
            "output": found,
            "rate": float(np.mean(variances)) * rate if one else None,
            "convergence_time": time,
        },
        "warnings": [told.message() for told in of_loss(problem)],
        "version": VERSION,
    }
