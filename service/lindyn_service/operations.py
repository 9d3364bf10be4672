"""What can be asked: for each kind of request who answers it, and what that is estimated to cost."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from lindyn.wire.base import LARGEST_SEED, Request
from lindyn_service import costs
from lindyn_service.methods.cost import Cost
from lindyn_service.sealed_file import Place
from lindyn_service.translate import balance, continual, limits, trajectory
from lindyn_service.translate.encode import Format

R = TypeVar("R", bound=Request)
Part = TypeVar("Part", bound=Request)


@dataclass(frozen=True)
class Operation(Generic[R]):
    """One kind of request.

    Attributes:
        name: part of the key, and of the names in caches.
        compute: answers a normalised request in a worker, given its key and the format.
        cost: estimates that.
        remedy: what to do where the cost is too high.
        transcodes: whether an answer of one format can be made from that of the other.
        file: does the same as `compute` and writes the answer to a file, where it can be large.
    """

    name: str
    compute: Callable[[R, str, Format], bytes]
    cost: Callable[[R], Cost]
    remedy: str
    transcodes: bool = False
    file: Callable[[R, str, Format, Place], None] | None = None


TRAJECTORY = Operation(
    "trajectories",
    trajectory.trajectory,
    costs.trajectory_cost,
    "ask for fewer times, quantities, steps or samples, or for smaller widths",
    transcodes=True,
    file=trajectory.file_trajectory,
)
INITIALIZATION = Operation(
    "initializations", balance.initialization, costs.initialization_cost, "ask for smaller widths"
)
BALANCE = Operation("balance", balance.balances, costs.balance_cost, "send smaller layers")
STATISTICS = Operation(
    "balance-statistics",
    balance.balance_statistics,
    costs.statistics_cost,
    "ask for fewer samples, or for smaller widths",
)
LIMITS = Operation("limits", limits.limits, costs.limits_cost, "ask for smaller widths, or for fewer samples of data")
CONTINUAL = Operation(
    "continual", continual.continual, costs.continual_cost, "ask for fewer times (num) or tasks, or for smaller widths"
)


def draw_seed() -> int:
    """A seed that nobody can foresee, for a request without one."""
    return secrets.randbelow(LARGEST_SEED + 1)


def with_seeds(part: Part) -> Part:
    """Draw the seeds that a message and its parts have and were sent without; the message itself if there are none."""
    drawn: dict[str, Any] = {}
    for name in type(part).model_fields:
        value = getattr(part, name)
        if name == "seed" and value is None:
            drawn[name] = draw_seed()
        elif isinstance(value, Request):
            seeded = with_seeds(value)
            if seeded is not value:
                drawn[name] = seeded
        elif isinstance(value, list) and any(isinstance(item, Request) for item in cast("list[Any]", value)):
            items = cast("list[Request]", value)
            all_seeded = [with_seeds(item) for item in items]
            if any(new is not old for new, old in zip(all_seeded, items, strict=True)):
                drawn[name] = all_seeded
    return part.model_copy(update=drawn) if drawn else part
