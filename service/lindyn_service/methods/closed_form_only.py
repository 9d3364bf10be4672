"""What limits and continual learning build on: a problem that the closed form covers."""

from dataclasses import replace

import numpy as np

from lindyn.wire.network import BalancedNetwork, Network
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.base import LearningProblem, Refusal
from lindyn_service.methods.exact import ExactRun, ExactSolver
from lindyn_service.methods.one_layer import OneLayerRun
from lindyn_service.methods.wide import wide_of


def require_closed_form(
    network: Network, weights: tuple[np.ndarray, ...], trained_on: Moments, tau: float, task_path: str = "task"
) -> ExactRun:
    """Examine a network and a task, which is at a path in the request.

    Raises:
        ServiceError: the closed form does not cover them, with what was measured.
    """
    lam = network.lam if isinstance(network, BalancedNetwork) else None
    verdict = ExactSolver().examine(LearningProblem(weights, trained_on, tau, np.zeros(1), (), lam, wide_of(network)))
    if isinstance(verdict, OneLayerRun):
        verdict = Refusal("got a network of one layer", "", NotApplicableError)
    if isinstance(verdict, Refusal):
        remedy = (
            "this needs the closed form: whiten the inputs and start from a balanced network of two layers, or from "
            "kind wide"
        )
        raise replace(verdict, remedy=remedy).error(task_path)
    return verdict
