"""What can be asked: for each kind of request who answers it, and what that is estimated to cost."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from lindyn.wire.asymptotics import LimitsRequest
from lindyn.wire.balance import BalanceRequest, InitializationRequest, StatisticsRequest
from lindyn.wire.base import LARGEST_SEED, Request
from lindyn.wire.conflicts import conflicts, conflicts_of_tasks
from lindyn.wire.continual import ContinualRequest
from lindyn.wire.digest import digest
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.methods.cost import Cost
from lindyn_service.operations import costs
from lindyn_service.translate import balance, continual, limits, trajectory
from lindyn_service.translate.encode import SOLVER

R = TypeVar("R", bound=Request)
Part = TypeVar("Part", bound=Request)


@dataclass(frozen=True)
class Operation(Generic[R]):
    """One kind of request.

    Attributes:
        name: part of the key, and of the names in caches.
        model: of the request.
        compute: answers a normalised request in a worker, given its key.
        cost: estimates that.
        remedy: what to do where the cost is too high.
        conflicts: finds broken rules between fields of a request.
        transcodes: whether an answer of one format can be made from that of the other.
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

OPERATIONS: dict[str, Operation[Any]] = {
    each.name: each for each in (TRAJECTORY, INITIALIZATION, BALANCE, STATISTICS, LIMITS, CONTINUAL)
}


def draw_seed() -> int:
    """A seed that nobody can foresee, for a request without one."""
    return secrets.randbelow(LARGEST_SEED + 1)


def normalise(operation: Operation[R], request: R, draw: Callable[[], int] = draw_seed) -> tuple[R, str]:
    """Draw the seeds that were omitted, and address the request by its content; the same request if it has them all."""
    normal = with_seeds(request, draw)
    return normal, digest(normal, f"{SOLVER} {operation.name}")


def with_seeds(part: Part, draw: Callable[[], int] = draw_seed) -> Part:
    """Draw the seeds that a message and its parts have and were sent without; the message itself if there are none."""
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
