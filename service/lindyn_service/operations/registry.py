"""Registry of all operations: models, route, computation and cost estimate of each kind of request."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar, cast

from lindyn.wire.asymptotics import LimitsReply, LimitsRequest
from lindyn.wire.balance import (
    BalanceReply,
    BalanceRequest,
    InitializationReply,
    InitializationRequest,
    StatisticsReply,
    StatisticsRequest,
)
from lindyn.wire.base import LARGEST_SEED, Reply, Request
from lindyn.wire.conflicts import conflicts, conflicts_of_design, conflicts_of_ensemble, conflicts_of_tasks
from lindyn.wire.continual import ContinualReply, ContinualRequest
from lindyn.wire.design import DesignReply, DesignRequest
from lindyn.wire.digest import digest
from lindyn.wire.ensemble import EnsembleReply, EnsembleRequest
from lindyn.wire.trajectory import TrajectoryReply, TrajectoryRequest
from lindyn.wire.tree import Tree
from lindyn_service.methods.cost import Cost
from lindyn_service.operations import costs, design_costs, ensemble_costs, evaluation_costs
from lindyn_service.translate import balance, continual, design, ensemble, limits, trajectory
from lindyn_service.translate.encode import SOLVER

R = TypeVar("R", bound=Request)
Part = TypeVar("Part", bound=Request)


@dataclass(frozen=True, kw_only=True)
class Operation(Generic[R]):
    """A kind of request, from which its route and its part of the OpenAPI document follow.

    Attributes:
        name: name of the operation, part of its keys and of its names in the caches.
        path: path of the route.
        operation_id: id in the OpenAPI document.
        tag: group of operations in the OpenAPI document.
        summary: short description for the OpenAPI document.
        description: description for the OpenAPI document.
        model: model of the request.
        reply: model of the answer.
        compute: computes the answer to a normalised request with this key, in a worker process.
        cost: estimates the cost of a normalised request.
        remedy: advice to the caller if the cost is too high.
        conflicts: finds violated rules between fields of a request.
        transcodes: whether an encoded answer can be converted to the other format.
    """

    name: str
    path: str
    operation_id: str
    tag: str = "analyses"
    summary: str
    description: str
    model: type[R]
    reply: type[Reply]
    compute: Callable[[R, str], Mapping[str, Tree]]
    cost: Callable[[R], Cost]
    remedy: str
    conflicts: Callable[[R], Sequence[tuple[str, str]]] | None = None
    transcodes: bool = False


TRAJECTORY = Operation(
    name="trajectories",
    path="/v1/trajectories",
    operation_id="compute_trajectory",
    tag="trajectories",
    summary="Compute how a network learns a task",
    description=(
        "Return the learning trajectory: exact where the closed form applies, and cached if it was computed before."
    ),
    model=TrajectoryRequest,
    reply=TrajectoryReply,
    compute=trajectory.trajectory,
    cost=evaluation_costs.trajectory_cost,
    remedy="ask for fewer times, quantities, steps or samples, or for smaller widths",
    conflicts=conflicts,
    transcodes=True,
)
INITIALIZATION = Operation(
    name="initializations",
    path="/v1/initializations",
    operation_id="initialize",
    summary="Initial weights of a network",
    description="Return the weights from which a trajectory of the same network and task starts, and their balance.",
    model=InitializationRequest,
    reply=InitializationReply,
    compute=balance.initialization,
    cost=costs.initialization_cost,
    remedy="ask for smaller widths",
    conflicts=conflicts,
)
BALANCE = Operation(
    name="balance",
    path="/v1/balance",
    operation_id="measure_balance",
    summary="How balanced weights are",
    description="Return the best-fitting lambda of each pair of adjacent layers, and the distance from balance.",
    model=BalanceRequest,
    reply=BalanceReply,
    compute=balance.balances,
    cost=costs.balance_cost,
    remedy="send smaller layers",
)
STATISTICS = Operation(
    name="balance-statistics",
    path="/v1/balance/statistics",
    operation_id="balance_statistics",
    summary="How balanced random weights are",
    description="Return mean and variance of W2^T W2 - W1 W1^T over random draws of a scheme, predicted and sampled.",
    model=StatisticsRequest,
    reply=StatisticsReply,
    compute=balance.balance_statistics,
    cost=costs.statistics_cost,
    remedy="ask for fewer samples, or for smaller widths",
)
LIMITS = Operation(
    name="limits",
    path="/v1/limits",
    operation_id="limits",
    summary="Asymptotic state and convergence time of a network",
    description=(
        "Return the state as t goes to infinity, the time to a tolerance, and the limits of large and small lambda."
    ),
    model=LimitsRequest,
    reply=LimitsReply,
    compute=limits.limits,
    cost=costs.limits_cost,
    remedy="ask for smaller widths, or for fewer samples of data",
    conflicts=conflicts,
)
CONTINUAL = Operation(
    name="continual",
    path="/v1/continual",
    operation_id="continual_learning",
    summary="Forgetting of a network that learns several tasks in sequence",
    description=(
        "Return the losses of all tasks on one time axis, forgetting and its rate, and the best stopping times."
    ),
    model=ContinualRequest,
    reply=ContinualReply,
    compute=continual.continual,
    cost=costs.continual_cost,
    remedy="ask for fewer times (num) or tasks, or for smaller widths",
    conflicts=conflicts_of_tasks,
)
ENSEMBLE = Operation(
    name="ensembles",
    path="/v1/ensembles",
    operation_id="ensemble",
    summary="Statistics over networks that differ in their seeds",
    description="Return mean, standard deviation, quantiles and standard error of each quantity over the replicates.",
    model=EnsembleRequest,
    reply=EnsembleReply,
    compute=ensemble.ensemble,
    cost=ensemble_costs.ensemble_cost,
    remedy=(
        "ask for fewer replicates, times or quantities, or for a sweep over the seeds (POST /v1/sweeps), a job that "
        "may take longer"
    ),
    conflicts=conflicts_of_ensemble,
)
DESIGN = Operation(
    name="designs",
    path="/v1/designs",
    operation_id="design",
    summary="Values of a parameter at which a scalar meets a target",
    description=(
        "Return all values of one parameter within its bounds at which a scalar of the trajectory has a wanted value."
    ),
    model=DesignRequest,
    reply=DesignReply,
    compute=design.design,
    cost=design_costs.design_cost,
    remedy=(
        "ask for fewer times or smaller widths, or for a sweep over the parameter (POST /v1/sweeps), a job that may "
        "take longer"
    ),
    conflicts=conflicts_of_design,
)

RegisteredOperation: TypeAlias = Operation[Any]
"""An operation with any model, as it is found by its name."""

OPERATIONS: dict[str, RegisteredOperation] = {
    operation.name: operation
    for operation in (TRAJECTORY, INITIALIZATION, BALANCE, STATISTICS, LIMITS, CONTINUAL, ENSEMBLE, DESIGN)
}


def draw_seed() -> int:
    """Draw an unpredictable seed, for a request without one."""
    return secrets.randbelow(LARGEST_SEED + 1)


def normalise(operation: Operation[R], request: R, draw: Callable[[], int] = draw_seed) -> tuple[R, str]:
    """Draw omitted seeds, and compute the key of the request from its content.

    Returns:
        The request with all seeds, which is the same object if none was omitted, and its key.
    """
    normalised = with_seeds(request, draw)
    return normalised, digest(normalised, f"{SOLVER} {operation.name}")


def with_seeds(part: Part, draw: Callable[[], int] = draw_seed) -> Part:
    """Draw the omitted seeds of a message and of its parts; returns the same object if none was omitted."""
    drawn: dict[str, object] = {}
    for name in type(part).model_fields:
        value = getattr(part, name)
        if name == "seed" and value is None:
            drawn[name] = draw()
        elif isinstance(value, Request):
            seeded = with_seeds(value, draw)
            if seeded is not value:
                drawn[name] = seeded
        elif isinstance(value, list) and any(isinstance(item, Request) for item in cast("list[object]", value)):
            items = cast("list[Request]", value)
            all_seeded = [with_seeds(item, draw) for item in items]
            if any(new is not old for new, old in zip(all_seeded, items, strict=True)):
                drawn[name] = all_seeded
    return part.model_copy(update=drawn) if drawn else part
