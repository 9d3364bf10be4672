"""Registry of all operations: the model, the computation and the cost estimate of each kind of request."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from lindyn.wire.asymptotics import LimitsRequest
from lindyn.wire.balance import BalanceRequest, InitializationRequest, StatisticsRequest
from lindyn.wire.base import LARGEST_SEED, Request
from lindyn.wire.conflicts import conflicts, conflicts_of_ensemble, conflicts_of_tasks
from lindyn.wire.continual import ContinualRequest
from lindyn.wire.digest import digest
from lindyn.wire.ensemble import EnsembleRequest
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.methods.cost import Cost
from lindyn_service.operations import costs, ensemble_costs
from lindyn_service.translate import balance, continual, ensemble, limits, trajectory
from lindyn_service.translate.encode import SOLVER

R = TypeVar("R", bound=Request)
Part = TypeVar("Part", bound=Request)


@dataclass(frozen=True)
class Operation(Generic[R]):
    """A kind of request.

    Attributes:
        name: name of the operation, part of its keys and of its names in the caches.
        model: model of the request.
        compute: computes the answer to a normalised request with this key, in a worker process.
        cost: estimates the cost of a normalised request.
        remedy: advice to the caller if the cost is too high.
        conflicts: finds violated rules between fields of a request.
        transcodes: whether an encoded answer can be converted to the other format.
    """

    name: str
    model: type[R]
    compute: Callable[[R, str], dict[str, Any]]
    cost: Callable[[R], Cost]
    remedy: str
    conflicts: Callable[[R], Sequence[tuple[str, str]]] | None = None
    transcodes: bool = False


TRAJECTORY = Operation(
    "trajectories",
    TrajectoryRequest,
    trajectory.trajectory,
    costs.trajectory_cost,
    "ask for fewer times, quantities, steps or samples, or for smaller widths",
    conflicts,
    transcodes=True,
)
INITIALIZATION = Operation(
    "initializations",
    InitializationRequest,
    balance.initialization,
    costs.initialization_cost,
    "ask for smaller widths",
    conflicts,
)
BALANCE = Operation("balance", BalanceRequest, balance.balances, costs.balance_cost, "send smaller layers")
STATISTICS = Operation(
    "balance-statistics",
    StatisticsRequest,
    balance.balance_statistics,
    costs.statistics_cost,
    "ask for fewer samples, or for smaller widths",
)
LIMITS = Operation(
    "limits",
    LimitsRequest,
    limits.limits,
    costs.limits_cost,
    "ask for smaller widths, or for fewer samples of data",
    conflicts,
)
CONTINUAL = Operation(
    "continual",
    ContinualRequest,
    continual.continual,
    costs.continual_cost,
    "ask for fewer times (num) or tasks, or for smaller widths",
    conflicts_of_tasks,
)
ENSEMBLE = Operation(
    "ensembles",
    EnsembleRequest,
    ensemble.ensemble,
    ensemble_costs.ensemble_cost,
    "ask for fewer replicates, times or quantities, or for a sweep over the seeds (POST /v1/sweeps), a job that may "
    "take longer",
    conflicts_of_ensemble,
)

OPERATIONS: dict[str, Operation[Any]] = {
    operation.name: operation
    for operation in (TRAJECTORY, INITIALIZATION, BALANCE, STATISTICS, LIMITS, CONTINUAL, ENSEMBLE)
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
    drawn: dict[str, Any] = {}
    for name in type(part).model_fields:
        value = getattr(part, name)
        if name == "seed" and value is None:
            drawn[name] = draw()
        elif isinstance(value, Request):
            seeded = with_seeds(value, draw)
            if seeded is not value:
                drawn[name] = seeded
        elif isinstance(value, list) and any(isinstance(item, Request) for item in cast("list[Any]", value)):
            items = cast("list[Request]", value)
            all_seeded = [with_seeds(item, draw) for item in items]
            if any(new is not old for new, old in zip(all_seeded, items, strict=True)):
                drawn[name] = all_seeded
    return part.model_copy(update=drawn) if drawn else part
