"""What can be asked: for each kind of request who answers it, and what that is estimated to cost."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic, TypeVar, cast

from lindyn.wire.balance import BalanceRequest, InitializationRequest, StatisticsRequest
from lindyn.wire.base import LARGEST_SEED, Request
from lindyn.wire.conflicts import conflicts, conflicts_of_tasks
from lindyn.wire.continual import ContinualRequest
from lindyn.wire.digest import digest
from lindyn.wire.limits import LimitsRequest
from lindyn.wire.method import DescentMethod
from lindyn.wire.network import BalancedNetwork
from lindyn.wire.task import DataTask, RegressionTask, SemanticTask, Task
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.methods.cost import Cost, estimate
from lindyn_service.translate import balance, continual, limits, trajectory
from lindyn_service.translate.encode import SOLVER

_SEARCH = 500  # evaluations to find a time by its value, a generous number
_DRAW_FLOPS = 100  # that take as long as drawing a Gaussian number
_QR_FLOPS = 8  # of drawing n orthonormal columns, times rows * n^2

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


def _trajectory(request: TrajectoryRequest) -> Cost:
    steps = 0.0
    if isinstance(request.method, DescentMethod):
        steps = max(float(request.resolved_times()[-1]) / request.method.learning_rate, 1.0)
    return estimate(request.dims, request.n_times, request.quantities, _samples(request.task), steps=steps)


def _initialization(request: InitializationRequest) -> Cost:
    n_weights = sum(a * b for a, b in pairwise(request.dims))
    total = _measured(request.dims) + Cost(_DRAW_FLOPS * n_weights, n_weights, 3 * n_weights)
    if isinstance(request.network, BalancedNetwork):
        n_in, n_hidden, n_out = request.dims
        total += Cost(_QR_FLOPS * (n_in + n_out) * min(n_hidden, max(n_in, n_out)) ** 2, 0, 3 * n_weights)
    if request.task is not None:
        total += estimate(request.dims, 1, [], _samples(request.task))
    return total


def _balance(request: BalanceRequest) -> Cost:
    return _measured([request.weights[0].shape[1], *(len(w) for w in request.weights)])


def _measured(dims: Sequence[int]) -> Cost:
    """The balance of all pairs of adjacent layers."""
    total = Cost(0.0, 0, 0)
    for n_in, n_hidden, n_out in zip(dims, dims[1:], dims[2:], strict=False):
        total += Cost(2.0 * (n_in + n_out) * n_hidden**2, 6, 3 * n_hidden**2 + 2 * n_hidden * (n_in + n_out))
    return total


def _statistics(request: StatisticsRequest) -> Cost:
    n_in, n_hidden, n_out = request.dims
    draws = request.samples * n_hidden * (n_in + n_out)
    numbers = 4 * n_hidden**2
    return Cost(float(_DRAW_FLOPS) * draws + 2.0 * draws * n_hidden, numbers, 4 * n_hidden * (n_in + n_out) + numbers)


def _limits(request: LimitsRequest) -> Cost:
    state = estimate(request.dims, 4, ["output", "input_representation", "output_representation"])
    return state + estimate(request.dims, _SEARCH, [], _samples(request.task))


def _continual(request: ContinualRequest) -> Cost:
    n_tasks = len(request.tasks)
    one = ["output", "loss_rate"]
    total = Cost(0.0, 3 * n_tasks * n_tasks * request.num, 0)
    for i, each in enumerate(request.tasks):
        n_times = request.num + _SEARCH * (3 if i else 1)  # when it settles, and when old tasks are served best
        found = estimate(request.dims, n_times, one, _samples(each.task))
        total += Cost(found.flops, 0, found.work_numbers)
    return total


def _samples(task: Task) -> int:
    match task:
        case DataTask(inputs=inputs):
            return len(inputs)
        case RegressionTask(samples=samples):
            return samples
        case SemanticTask(levels=levels):
            return 2**levels
        case _:
            return 0


TRAJECTORY = Operation(
    "trajectories",
    TrajectoryRequest,
    trajectory.trajectory,
    _trajectory,
    "ask for fewer times, quantities, steps or samples, or for smaller widths",
    conflicts,
    transcodes=True,
)
INITIALIZATION = Operation(
    "initializations",
    InitializationRequest,
    balance.initialization,
    _initialization,
    "ask for smaller widths",
    conflicts,
)
BALANCE = Operation("balance", BalanceRequest, balance.balances, _balance, "send smaller layers")
STATISTICS = Operation(
    "balance-statistics",
    StatisticsRequest,
    balance.balance_statistics,
    _statistics,
    "ask for fewer samples, or for smaller widths",
)
LIMITS = Operation(
    "limits", LimitsRequest, limits.limits, _limits, "ask for smaller widths, or for fewer samples of data", conflicts
)
CONTINUAL = Operation(
    "continual",
    ContinualRequest,
    continual.continual,
    _continual,
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
