"""Diagnostics and warnings that several methods share."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np

from lindyn.wire.tree import Tree
from lindyn_service.dynamics.alignment import mean_strengths
from lindyn_service.dynamics.balance import balance
from lindyn_service.dynamics.modal_loss import Objective
from lindyn_service.methods.base import AnswerWarning, LearningProblem
from lindyn_service.methods.plain_flow import problem_lambda

_UNUSUAL_ERROR = 1e-11  # relative error above which there is a warning
_UNUSUAL_ERROR_OF = {"weights": 1e-9}
_OF_SAMPLES = ("ntk", "ntk_distance", "ntk_norm", "ntk_movement", "rsm_input", "rsm_output")


def initial_lambda(problem: LearningProblem) -> float | None:
    """Return the lambda nearest to the balance of two layers, for wide layers that of the equivalent network.

    Args:
        problem: the problem in the weights of the plain flow.

    Returns:
        Lambda in the convention of the request; None for a number of layers other than two.
    """
    if len(problem.weights) != 2:
        return None
    if problem.wide is None:
        return problem_lambda(problem, balance(*problem.weights).lam)
    size = problem_lambda(problem, problem.wide.lambda_eff)
    return size if problem.weights[0].shape[1] < len(problem.weights[1]) else -size


def balances(problem: LearningProblem) -> dict[str, Tree]:
    """Return the distance of the initial weights from balance, as lists over pairs of layers if there are several.

    Args:
        problem: the problem in the weights of the plain flow.
    """
    if len(problem.weights) == 1 or problem.wide is not None:
        return sizes_of_wide(problem)
    pairs = [balance(lower, upper) for lower, upper in pairwise(problem.weights)]
    residuals, relative = [pair.residual for pair in pairs], [pair.relative_residual for pair in pairs]
    if len(pairs) == 1:
        return {"balance_residual": residuals[0], "relative_balance_residual": relative[0]}
    return {"balance_residual": residuals, "relative_balance_residual": relative}


def sizes_of_wide(problem: LearningProblem) -> dict[str, Tree]:
    """Return the effective lambda of wide layers; nothing for other networks."""
    return {} if problem.wide is None else {"lambda_eff": problem_lambda(problem, problem.wide.lambda_eff)}


def of_wide(problem: LearningProblem) -> Iterator[AnswerWarning]:
    """Warn if the hidden layer is too narrow for the representations of the limit of a wide layer."""
    wide, ends = problem.wide, problem.weights[0].shape[1] + len(problem.weights[-1])
    if wide is not None and wide.hidden < ends:
        yield AnswerWarning(
            "not-wide",
            f"{wide.hidden} hidden units are fewer than inputs and outputs together ({ends}), and no weights of this "
            "width have the representations of the limit: draws are far from it",
        )


def of_task(objective: Objective) -> dict[str, Tree]:
    """Return properties of the task; `target` has the quantities of the best network function."""
    target = {
        "singular_values": _of_all_modes(objective, np.linalg.svd(objective.best, compute_uv=False)),
        "mode_strengths": mean_strengths(objective, np.diagonal(objective.best)).tolist(),
    }
    return {
        "task_singular_values": _of_all_modes(objective, objective.s),
        "target": target,
        "irreducible_loss": objective.irreducible,
    }


def _of_all_modes(objective: Objective, values: np.ndarray) -> list[float]:
    """Pad with zeros for modes outside the reduced problem."""
    return np.pad(values, (0, min(len(objective.u), len(objective.v)) - len(values))).tolist()


def of_loss(problem: LearningProblem) -> Iterator[AnswerWarning]:
    """Warn that the loss is the excess loss if the scale of the targets is unknown."""
    if problem.moments.sigma_yy_trace is None:
        yield AnswerWarning(
            "irreducible-loss-unknown",
            "the targets' scale is not given, so the loss is the excess loss; give task.sigma_yy_trace or data",
        )


def of_errors(errors: Mapping[str, float]) -> Iterator[AnswerWarning]:
    """Warn of quantities whose bounds of the relative error are larger than usual."""
    worst = {name: error for name, error in errors.items() if error > _UNUSUAL_ERROR_OF.get(name, _UNUSUAL_ERROR)}
    if worst:
        bounds = ", ".join(f"{name} {error:.1g}" for name, error in worst.items())
        yield AnswerWarning(
            "ill-conditioned",
            f"rounding errors of the weights and the task grow in this run: relative errors are at most about {bounds}",
        )


def of_samples(problem: LearningProblem) -> Iterator[AnswerWarning]:
    """Warn of assumptions about samples or the scale of the targets that are not given."""
    if "loss" in problem.quantities:
        yield from of_loss(problem)
    assumed = [name for name in _OF_SAMPLES if name in problem.quantities]
    if problem.moments.samples is None and assumed:
        names = f"{', '.join(assumed)} {'is' if len(assumed) == 1 else 'are'}"
        yield AnswerWarning(
            "no-samples",
            f"no samples are given, so {names} computed for X = sigma_xx^(1/2) (the identity for white inputs) and "
            "Y = sigma_yx X^+; give a task of kind data to use your samples",
        )
