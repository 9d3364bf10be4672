"""What can be asked: for each kind of request who answers it, and what that is estimated to cost."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from lindyn.wire.balance import BalanceRequest, InitializationRequest, StatisticsRequest
from lindyn.wire.base import LARGEST_SEED, Request
from lindyn.wire.continual import ContinualRequest
from lindyn.wire.limits import LimitsRequest
from lindyn.wire.method import DescentMethod
from lindyn.wire.task import DataTask, RegressionTask, SemanticTask, Task
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.methods.cost import Cost, estimate
from lindyn_service.translate import balance, continual, limits, trajectory
from lindyn_service.translate.encode import Format

_SEARCH = 500  # evaluations to find a time by its value, a generous number

R = TypeVar("R", bound=Request)
Part = TypeVar("Part", bound=Request)


@dataclass(frozen=True)
class Operation(Generic[R]):
    """One kind of request.

    Attributes:
        name: part of the key, and of the names in caches.
        compute: answers a normalised request in a worker, given its key and the format.
        cost: estimates that.
        transcodes: whether an answer of one format can be made from that of the other.
    """

    name: str
    compute: Callable[[R, str, Format], bytes]
    cost: Callable[[R], Cost]
    transcodes: bool = False


def _trajectory(request: TrajectoryRequest) -> Cost:
    steps = 0.0
    if isinstance(request.method, DescentMethod):
        steps = max(float(request.resolved_times()[-1]) / request.method.learning_rate, 1.0)
    return estimate(request.dims, request.n_times, request.quantities, _samples(request.task), steps=steps)


def _initialization(request: InitializationRequest) -> Cost:
    samples = 0 if request.task is None else _samples(request.task)
    return estimate(request.dims, 1, ["weights"], samples)


def _balance(request: BalanceRequest) -> Cost:
    dims = (request.weights[0].shape[1], *(len(w) for w in request.weights))
    return estimate(dims, 1, ["balance"])


def _statistics(request: StatisticsRequest) -> Cost:
    n_in, n_hidden, n_out = request.dims
    draws = request.samples * n_hidden * (n_in + n_out)
    numbers = 4 * n_hidden**2
    return Cost(100.0 * draws + 2.0 * draws * n_hidden, numbers, 4 * n_hidden * (n_in + n_out) + numbers)


def _limits(request: LimitsRequest) -> Cost:
    state = estimate(request.dims, 4, ["output", "input_representation", "output_representation"])
    return state + estimate(request.dims, _SEARCH, [], _samples(request.task))


def _continual(request: ContinualRequest) -> Cost:
    n_tasks = len(request.tasks)
    one = ["output", "loss_rate"]
    total = Cost(0.0, 3 * n_tasks * n_tasks * request.num, 0)
    for i, each in enumerate(request.tasks):
        n_times = request.num + _SEARCH * (1 + i)
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


TRAJECTORY = Operation("trajectories", trajectory.trajectory, _trajectory, transcodes=True)
INITIALIZATION = Operation("initializations", balance.initialization, _initialization)
BALANCE = Operation("balance", balance.balances, _balance)
STATISTICS = Operation("balance-statistics", balance.balance_statistics, _statistics)
LIMITS = Operation("limits", limits.limits, _limits)
CONTINUAL = Operation("continual", continual.continual, _continual)


def with_seeds(part: Part) -> Part:
    """Draw the seeds that a message and its parts have and were sent without."""
    drawn: dict[str, Any] = {}
    for name in type(part).model_fields:
        value = getattr(part, name)
        if name == "seed" and value is None:
            drawn[name] = secrets.randbelow(LARGEST_SEED + 1)
        elif isinstance(value, Request):
            drawn[name] = with_seeds(value)
        elif isinstance(value, list) and any(isinstance(item, Request) for item in cast("list[Any]", value)):
            drawn[name] = [with_seeds(item) for item in cast("list[Request]", value)]
    return part.model_copy(update=drawn)
