"""Initial weights, their balance, and statistics of the balance of random weights."""

from itertools import pairwise

import numpy as np

from lindyn.wire.balance import BalanceRequest, InitializationRequest, StatisticsRequest
from lindyn.wire.tree import Tree
from lindyn_service.dynamics import balance_statistics as statistics
from lindyn_service.dynamics.balance import balance, broken_inequality
from lindyn_service.dynamics.random_weights import kurtosis, variance
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.dynamics.wide_limit import isotropy, predicted_lambda_eff
from lindyn_service.errors import InvalidRequestError
from lindyn_service.methods.exact_run import TOLERANCE
from lindyn_service.translate.encode import VERSION
from lindyn_service.translate.problem import moments, rng, weights


def initialization(request: InitializationRequest, key: str) -> dict[str, Tree]:
    """Draw or check initial weights, and measure their balance.

    Raises:
        ServiceError: no such weights exist, or aligned weights are requested without a task.
    """
    dims, task = request.dims, request.task
    if task is None and getattr(request.network, "aligned", False):
        detail = "aligned weights take their singular vectors from the task, but no task is given; add one"
        raise InvalidRequestError(f"task: {detail}", (("task", detail),))
    trained_on = Moments(np.zeros((dims[-1], dims[0]))) if task is None else moments(task, dims)
    drawn = weights(request.network, trained_on)
    measured = [balance(lower, upper) for lower, upper in pairwise(drawn)]
    lam, residual = [b.lam for b in measured], [b.residual for b in measured]
    return {
        "key": key,
        "weights": list(drawn),
        "lambda": lam if len(lam) != 1 else lam[0],
        "balance_residual": residual if len(residual) != 1 else residual[0],
        "dims": list(dims),
        "seed": getattr(request.network, "seed", None),
        "task_seed": getattr(task, "seed", None),
        "version": VERSION,
    }


def balances(request: BalanceRequest, key: str) -> dict[str, Tree]:
    """Measure the balance of each pair of adjacent layers."""
    pairs = list(pairwise(request.weights))
    measured = [balance(lower, upper) for lower, upper in pairs]
    wide = [isotropy(lower, upper) for lower, upper in pairs]
    widths = [(lower.shape[1], len(lower), len(upper)) for lower, upper in pairs]
    return {
        "key": key,
        "lambda": [b.lam for b in measured],
        "residual": [b.residual for b in measured],
        "relative_residual": [b.relative_residual for b in measured],
        "balanced": [b.relative_residual <= TOLERANCE for b in measured],
        "feasible": [broken_inequality(b.lam, *each) is None for b, each in zip(measured, widths, strict=True)],
        "lambda_eff": [each.lambda_eff for each in wide],
        "isotropy": [each.residual for each in wide],
        "tolerance": TOLERANCE,
        "version": VERSION,
    }


def balance_statistics(request: StatisticsRequest, key: str) -> dict[str, Tree]:
    """Predict and sample the mean and variance of B = W2^T W2 - W1 W1^T."""
    n_in, n_hidden, n_out = dims = request.dims
    first, second = (request.gain * 2)[:2]
    k, r = n_hidden / n_in, n_out / n_in
    a1, a2 = variance(request.scheme, n_in, n_hidden, first), variance(request.scheme, n_hidden, n_out, second)
    table = statistics.tabulated(request.scheme, n_in, k, r, (first, second))
    limits = statistics.limits(request.scheme, n_in, k, r, (first, second))
    return {
        "key": key,
        "predicted": vars(statistics.predicted(dims, a1, a2, kurtosis(request.scheme))),
        "sampled": vars(statistics.sampled(dims, request.scheme, (first, second), request.samples, rng(request.seed))),
        "table": {
            "k": k,
            "r": r,
            "mean_lambda": table.lam,
            "variance_diagonal": table.diagonal,
            "variance_off_diagonal": table.off_diagonal,
            "limits": {
                "r_to_zero": limits.narrow_output,
                "r_to_infinity": limits.wide_output,
                "k_to_zero": limits.narrow_hidden,
                "k_to_infinity": limits.wide_hidden,
            },
        },
        "lambda_eff": predicted_lambda_eff(dims, request.scheme, (first, second)),
        "dims": list(dims),
        "scheme": request.scheme,
        "gain": list(request.gain),
        "samples": request.samples,
        "seed": request.seed,
        "version": VERSION,
    }
