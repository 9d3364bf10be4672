"""Requirement of an exact solution, on which limits and continual learning build."""

from dataclasses import replace

import numpy as np

from lindyn.wire.network import BalancedNetwork, Network
from lindyn_service.dynamics.learning_rates import LearningRates
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.methods.all_exact import AllExactSolver
from lindyn_service.methods.base import LearningProblem, Method, Refusal
from lindyn_service.methods.exact import ExactSolver
from lindyn_service.methods.exact_run import ExactRun
from lindyn_service.methods.modal_run import ModalRun
from lindyn_service.methods.wide import wide_of

_REMEDY = (
    "this needs the closed form: whiten the inputs and start from a balanced network of two layers, or from kind wide"
)
_REMEDY_WITH_DECAY = (
    "this needs the closed form: start from weights whose modes learn alone, or on white inputs from a balanced "
    "network of two layers"
)


def require_closed_form(
    network: Network, weights: tuple[np.ndarray, ...], trained_on: Moments, tau: float, task_path: str = "task"
) -> ExactRun:
    """Return the closed form of balanced weights for a network and a task.

    Args:
        network: network of the request.
        weights: its initial layers, first layer first.
        trained_on: moments of the task.
        tau: time constant.
        task_path: path of the task in the request, for errors.

    Raises:
        ServiceError: the closed form does not cover them; the error has what was measured.
    """
    run = _examined(ExactSolver(), _problem(network, weights, trained_on, tau), _REMEDY, task_path)
    if not isinstance(run, ExactRun):
        raise TypeError(f"{type(run).__name__} is not the closed form of balanced weights")
    return run


def require_exact(
    network: Network,
    weights: tuple[np.ndarray, ...],
    trained_on: Moments,
    tau: float,
    *,
    rates: LearningRates | None = None,
    decay: float = 0.0,
) -> ExactRun | ModalRun:
    """Return any exact solution for a network and a task: balanced weights, modes that learn alone, or weight decay.

    Raises:
        ServiceError: no exact solution covers them; the error has what was measured.
    """
    problem = replace(_problem(network, weights, trained_on, tau), rates=rates, weight_decay=decay)
    found = _examined(AllExactSolver(), problem, _REMEDY_WITH_DECAY if decay else _REMEDY, "task")
    if not isinstance(found, ExactRun | ModalRun):
        raise TypeError(f"{type(found).__name__} does not know its limits")
    return found


def _problem(network: Network, weights: tuple[np.ndarray, ...], trained_on: Moments, tau: float) -> LearningProblem:
    lam = network.lam if isinstance(network, BalancedNetwork) else None
    return LearningProblem(weights, trained_on, tau, np.zeros(1), (), lam, wide_of(network))


def _examined(solver: Method, problem: LearningProblem, remedy: str, task_path: str) -> object:
    verdict = solver.examine(problem)
    if isinstance(verdict, Refusal):
        raise replace(verdict, remedy=remedy).error(task_path)
    return verdict
