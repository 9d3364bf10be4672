"""What several methods say about a problem beside its quantities."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from lindyn_service.dynamics.alignment import mean_strengths
from lindyn_service.dynamics.balance import balance
from lindyn_service.dynamics.modal_loss import Objective
from lindyn_service.methods.base import LearningProblem, Warned
from lindyn_service.methods.plain_flow import balance_as_asked

_REMARKABLE = {"weights": 1e-9}  # relative errors of which a warning tells, where they are not 1e-11
_OF_SAMPLES = ("ntk", "ntk_distance", "ntk_norm", "ntk_movement", "rsm_input", "rsm_output")


def initial_lambda(problem: LearningProblem) -> float | None:
    """Balance that is nearest to the initial weights of two layers; wide ones have that of the equivalent network.

    Args:
        problem: with the weights of the plain flow.
    """
    if len(problem.weights) != 2:
        return None
    if problem.wide is None:
        return balance_as_asked(problem, balance(*problem.weights).lam)
    size = balance_as_asked(problem, problem.wide.lambda_eff)
    return size if problem.weights[0].shape[1] < len(problem.weights[1]) else -size


def balances(problem: LearningProblem) -> dict[str, Any]:
    """Distance of the initial weights from balance; lists over pairs for more than two layers.

    Args:
        problem: with the weights of the plain flow.
    """
    if len(problem.weights) == 1 or problem.wide is not None:
        return sizes_of_wide(problem)
    found = [balance(lower, upper) for lower, upper in pairwise(problem.weights)]
    residuals, relative = [b.residual for b in found], [b.relative_residual for b in found]
    if len(found) == 1:
        return {"balance_residual": residuals[0], "relative_balance_residual": relative[0]}
    return {"balance_residual": residuals, "relative_balance_residual": relative}


def sizes_of_wide(problem: LearningProblem) -> dict[str, Any]:
    """What is left of wide layers in their limit; nothing for others."""
    return {} if problem.wide is None else {"lambda_eff": balance_as_asked(problem, problem.wide.lambda_eff)}


def of_wide(problem: LearningProblem) -> Iterator[Warned]:
    """Whether a hidden layer is wide enough to have the representations of the limit at all."""
    wide, ends = problem.wide, problem.weights[0].shape[1] + len(problem.weights[-1])
    if wide is not None and wide.hidden < ends:
        yield Warned(
            "not-wide",
            f"{wide.hidden} hidden units are fewer than inputs and outputs together ({ends}), and no weights of this "
            "width have the representations of the limit: draws are far from it",
        )


def of_task(found: Objective) -> dict[str, Any]:
    """What the task is to a network; `target` is what quantities of the best network function are."""
    target = {
        "singular_values": _of_all_modes(found, np.linalg.svd(found.best, compute_uv=False)),
        "mode_strengths": mean_strengths(found, np.diagonal(found.best)).tolist(),
    }
    return {
        "task_singular_values": _of_all_modes(found, found.s),
        "target": target,
        "irreducible_loss": found.irreducible,
    }


def _of_all_modes(found: Objective, values: np.ndarray) -> list[float]:
    """Zeros for the modes that the network does not see."""
    return np.pad(values, (0, min(len(found.u), len(found.v)) - len(values))).tolist()


def of_loss(problem: LearningProblem) -> Iterator[Warned]:
    """What the loss is where the scale of the targets is missing."""
    if problem.moments.sigma_yy_trace is None:
        yield Warned(
            "irreducible-loss-unknown",
            "the targets' scale is not given, so the loss is the excess loss; give task.sigma_yy_trace or data",
        )


def of_errors(errors: Mapping[str, float]) -> Iterator[Warned]:
    """Which quantities are known to fewer digits than computations usually leave, by the bounds of their errors."""
    worst = {name: error for name, error in errors.items() if error > _REMARKABLE.get(name, 1e-11)}
    if worst:
        told = ", ".join(f"{name} {error:.1g}" for name, error in worst.items())
        yield Warned(
            "ill-conditioned",
            f"rounding errors of the weights and the task grow in this run: relative errors are at most about {told}",
        )


def of_samples(problem: LearningProblem) -> Iterator[Warned]:
    """What was assumed where samples or the scale of the targets are missing."""
    if "loss" in problem.quantities:
        yield from of_loss(problem)
    assumed = [name for name in _OF_SAMPLES if name in problem.quantities]
    if problem.moments.samples is None and assumed:
        yield Warned(
            "no-samples",
            f"no samples are given, so {', '.join(assumed)} take X = sigma_xx^(1/2) (the identity for white inputs) "
            "and Y = sigma_yx X^+; give data for those of your samples",
        )
