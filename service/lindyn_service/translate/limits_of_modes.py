"""Limits as t -> infinity of networks whose modes learn alone, and of networks with weight decay."""

import numpy as np

from lindyn.wire.asymptotics import LimitsRequest
from lindyn.wire.tree import Tree
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.observables import excess_loss, input_representation, output, output_representation
from lindyn_service.dynamics.sharpness import sharpness
from lindyn_service.methods.diagnostics import of_loss
from lindyn_service.methods.modal_run import ModalRun
from lindyn_service.methods.plain_flow import effective_rate, from_plain_flow
from lindyn_service.translate.encode import VERSION

_ROUNDINGS = 1e-12  # relative to the strongest mode; weaker modes count as 0


def limits_of_modes(request: LimitsRequest, key: str, run: ModalRun) -> dict[str, Tree]:
    """Return the limit of a network and its convergence time; fields for a single lambda and isotropic inputs are null.

    Args:
        request: the request.
        key: key of the request.
        run: exact solution of the network.
    """
    end, reached = run.end(), run.convergence(request.tolerance)
    # the Hessian of the loss with weight decay is that of the loss plus gamma times the identity
    steepest = (float(sharpness(end)[0]) + request.weight_decay) * effective_rate(run.problem)
    return {
        "key": key,
        "lambda": run.lam,
        "lambda_per_mode": run.diagnostics.get("lambda_per_mode"),
        "dims": list(request.dims),
        "seed": getattr(request.network, "seed", None),
        "task_seed": getattr(request.task, "seed", None),
        "time_constant": request.time_constant,
        "tolerance": request.tolerance,
        "converged": _converged(from_plain_flow(run.problem).modal_weights(end, slice(0, 1))),
        "convergence_time": reached.time,
        "effective_learning_rate": None,
        "largest_learning_rate": 2 / steepest if steepest > 0 else None,
        "lambda_to_infinity": None,
        "shallow": None,
        "warnings": [warned.message() for warned in (*run.warnings, *of_loss(run.problem))],
        "version": VERSION,
    }


def _converged(end: ModalWeights) -> dict[str, Tree]:
    excess = float(excess_loss(end)[0])
    return {
        "output": output(end)[0],
        "input_representation": input_representation(end)[0],
        "output_representation": output_representation(end)[0],
        "loss": excess + (end.objective.irreducible or 0.0),
        "excess_loss": excess,
        "reached_rank": _rank(np.linalg.svd(end.strengths[0], compute_uv=False)),
        "task_rank": _rank(end.objective.s),
    }


def _rank(values: np.ndarray) -> int:
    return int(np.count_nonzero(values > _ROUNDINGS * np.max(values, initial=0.0)))
