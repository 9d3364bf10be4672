"""What each kind of request is estimated to cost, from its numbers as far as they are cheap to look at."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lindyn.wire.asymptotics import LimitsRequest
from lindyn.wire.balance import BalanceRequest, InitializationRequest, StatisticsRequest
from lindyn.wire.continual import ContinualRequest
from lindyn.wire.method import AutoMethod, DescentMethod, ExactMethod, FlowMethod
from lindyn.wire.network import BalancedNetwork, Network
from lindyn.wire.sweep import AT_ALL_TIMES
from lindyn.wire.task import CorrelationTask, DataTask, RegressionTask, SemanticTask, Task
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.methods.cost import (
    MICROSECOND,
    Cost,
    full_decomposition,
    observed,
    product,
    vectors_of_sharpness,
)
from lindyn_service.methods.cost_descent import descent_cost, linear_step
from lindyn_service.methods.cost_dimensions import reduced_cost
from lindyn_service.methods.cost_exact import evaluated, evaluated_alone, exact_cost, of_error, searched, solved
from lindyn_service.methods.cost_flow import flow_cost
from lindyn_service.methods.flow import DEFAULT_RTOL
from lindyn_service.operations import time_scales
from lindyn_service.translate.spans import kept

_DRAW_FLOPS = 250  # of drawing a Gaussian number
_DATA_FLOPS = 300  # of a number of the data, which is read and written several times
_LOOKED_AT = 700, 20  # times of a segment, and of each task in it, to find where that is served best
_AT_LAST_TIME = {"final_loss": "loss", "ntk_movement": "ntk_movement", "kernel_distance": "ntk_distance"}


def trajectory_cost(request: TrajectoryRequest) -> Cost:
    """A trajectory with its errors."""
    prepared = _prepared(request.network, request.task, _kept(request))
    return prepared + _learning(request, request.quantities, request.n_times, estimate=True)


def point_cost(request: TrajectoryRequest, collect: Sequence[str]) -> Cost:
    """A point of a sweep: no errors are estimated, and only the last time is read where that is enough."""
    total = _prepared(request.network, request.task, _kept(request)) + Cost(500 * MICROSECOND, 0, 0)
    names = [name for name in collect if name not in ("convergence_time", "deviation")]
    quantities = sorted({_AT_LAST_TIME.get(name, "task_specificity" if "specific" in name else name) for name in names})
    if names:
        only_last = AT_ALL_TIMES.isdisjoint(names)
        total += _learning(request, quantities, 1 if only_last else request.n_times, estimate=False)
    if "convergence_time" in collect:
        total += _reaching(request)
    if "deviation" in collect:
        total += _learning(request, ["loss"], request.n_times, estimate=False)
        small = kept(request.network, request.task)
        total += exact_cost(
            small,
            _reached(request.network, small),
            request.n_times,
            ["loss"],
            samples_of(request.task, request.dims),
            _span(request),
            estimate=False,
        )
    return total


def initialization_cost(request: InitializationRequest) -> Cost:
    """Initial weights and their balance; by themselves they are drawn in a third of the time that a run counts."""
    task = Cost(0.0, 0, 0) if request.task is None else _made(request.task, request.dims, request.dims)
    drawn = _drawn(request.network)
    return task + Cost(drawn.flops / 3, _weights(request.dims), drawn.work_numbers) + _measured(request.dims)


def balance_cost(request: BalanceRequest) -> Cost:
    """The balance of given weights."""
    return _measured([request.weights[0].shape[1], *(len(w) for w in request.weights)])


def statistics_cost(request: StatisticsRequest) -> Cost:
    """Draws of the weights, and sums of their balance."""
    n_in, n_hidden, n_out = request.dims
    weights, entries = n_hidden * (n_in + n_out), n_hidden**2
    sample = _DRAW_FLOPS * weights + product(n_hidden, n_in, n_hidden) + product(n_hidden, n_out, n_hidden)
    numbers = 4 * entries
    flops = 300 * MICROSECOND + request.samples * (sample + 120 * entries)
    return Cost(flops, numbers, 4 * weights + numbers)


def limits_cost(request: LimitsRequest) -> Cost:
    """The end of learning, and when it comes."""
    n_in, n_hidden, n_out = dims = _reached(request.network, request.network.dims)
    extremes = 3 * full_decomposition(max(n_in, n_out), n_hidden)
    numbers = 4 * n_in * n_out + n_in**2 + n_out**2
    work = 3 * (n_in + n_out) * (n_hidden + n_in + n_out) + vectors_of_sharpness(dims, 1)
    flops = 1500 * MICROSECOND + 2 * solved(dims) + extremes + searched(dims) + observed(dims, ["sharpness"], n_in)
    return _prepared(request.network, request.task, request.dims) + Cost(flops, numbers, work)


def continual_cost(request: ContinualRequest) -> Cost:
    """A segment for each task, with the losses of all of them, and where old tasks are served best."""
    n_tasks = len(request.tasks)
    n_in, n_hidden, n_out = dims = _reached(request.network, request.network.dims)
    total = _drawn(request.network) + Cost(1000 * MICROSECOND, 3 * n_tasks * n_tasks * request.num, 0)
    one_task = 20 * n_in * n_out + 0.3 * MICROSECOND
    for i, each in enumerate(request.tasks):
        measured = evaluated(dims) + of_error(dims) + 5 * product(n_out, n_hidden, n_in)
        flops = solved(dims) + searched(dims) + request.num * (measured + n_tasks * one_task)
        if i:
            looked_at = _LOOKED_AT[0] * (measured + (i + 1) * one_task)
            flops += looked_at + i * _LOOKED_AT[1] * 2 * evaluated_alone(dims)
        rows = n_in + n_out
        total += _made(each.task, dims, dims) + Cost(flops, 0, 3 * rows * (n_hidden + rows))
    return total


def _learning(request: TrajectoryRequest, quantities: Sequence[str], n_times: int, *, estimate: bool) -> Cost:
    """What the method does that answers, and the way from the dimensions of the problem to those of the network."""
    samples, small = samples_of(request.task, request.dims), _kept(request)
    solved_cost = _solving(request, small, quantities, n_times, estimate=estimate)
    return reduced_cost(solved_cost, request.dims, small, n_times, quantities, samples)


def _solving(
    request: TrajectoryRequest, dims: Sequence[int], quantities: Sequence[str], n_times: int, *, estimate: bool
) -> Cost:
    samples, method = samples_of(request.task, request.dims), request.method
    match method:
        case DescentMethod(learning_rate=learning_rate, activation=activation):
            steps = _last(request) * request.time_constant / learning_rate
            linear, runs = activation == "linear", 2 if estimate else 1
            return descent_cost(dims, n_times, quantities, samples, steps, linear=linear, runs=runs)
        case ExactMethod() | AutoMethod() if _is_exact(request):
            reached = _reached(request.network, dims)
            return exact_cost(dims, reached, n_times, quantities, samples, _span(request), estimate=estimate)
        case _:
            found = time_scales.of(request.network, request.task)
            rtol = method.rtol if isinstance(method, FlowMethod) else DEFAULT_RTOL
            span = _last(request)
            return flow_cost(dims, n_times, quantities, samples, found, span, rtol, estimate=estimate)


def _reaching(request: TrajectoryRequest) -> Cost:
    """When a loss has fallen to a tolerance."""
    if isinstance(request.method, DescentMethod):
        steps = _last(request) * request.time_constant / request.method.learning_rate
        return Cost(steps * (linear_step(_kept(request), 1) + 40 * MICROSECOND), 0, 0)
    if isinstance(request.method, ExactMethod | AutoMethod) and _is_exact(request):
        dims = _reached(request.network, _kept(request))
        return Cost(solved(dims) + searched(dims), 0, 0)
    return _learning(request, ["loss"], 1, estimate=False)


def _is_exact(request: TrajectoryRequest) -> bool:
    """Whether the closed form answers; method exact costs little where it does not."""
    if isinstance(request.method, ExactMethod) and len(request.dims) == 3:
        return True
    return len(request.dims) == 3 and time_scales.is_white(request.task) and time_scales.is_balanced(request.network)


def _kept(request: TrajectoryRequest) -> tuple[int, ...]:
    """Widths of the problem that is solved."""
    method = request.method
    linear = not isinstance(method, DescentMethod) or method.activation == "linear"
    return kept(request.network, request.task, linear=linear)


def _reached(network: Network, dims: Sequence[int]) -> tuple[int, int, int]:
    """Widths that the closed form works with: a balance of 0 leaves the hidden units beyond the others without weights.

    A network of other depths, which it does not cover, costs next to nothing.
    """
    if len(dims) != 3:
        return dims[0], 1, dims[-1]
    if isinstance(network, BalancedNetwork) and network.lam == 0:
        return dims[0], min(dims), dims[2]
    return dims[0], dims[1], dims[2]


def _last(request: TrajectoryRequest) -> float:
    """The last time in units of the time constant."""
    times = request.times
    last = float(times[-1]) if isinstance(times, np.ndarray) else times.stop
    return last / request.time_constant


def _span(request: TrajectoryRequest) -> float:
    """The last time in units of the fastest motion."""
    found = time_scales.of(request.network, request.task)
    return _last(request) * (2 * found.correlation + float(np.sum(found.strengths**2)) * max(request.dims))


def samples_of(task: Task, dims: Sequence[int]) -> int:
    """How many samples a task has; the width of the inputs where it has none, which then stand for samples."""
    match task:
        case DataTask(inputs=inputs):
            return len(inputs)
        case RegressionTask(samples=samples):
            return samples
        case SemanticTask(levels=levels):
            return 2**levels
        case _:
            return dims[0]


def _prepared(network: Network, task: Task, small: Sequence[int]) -> Cost:
    """Initial weights, moments of the task, and the best network function in the dimensions of the problem."""
    return _drawn(network) + _made(task, network.dims, small)


def _drawn(network: Network) -> Cost:
    dims, n_weights = network.dims, _weights(network.dims)
    flops = 100 * MICROSECOND + _DRAW_FLOPS * n_weights
    if isinstance(network, BalancedNetwork):
        n_in, n_hidden, n_out = dims
        directions = min(n_hidden, max(n_in, n_out))
        flops += 1.5 * full_decomposition(n_out, n_in) + product(n_out, n_hidden, n_in)
        flops += 20 * n_hidden * directions**2 + 2 * directions**2 * (n_in + n_out)
        if network.aligned:
            flops += full_decomposition(n_out, n_in) + 12 * (n_in**3 + n_out**3)
    return Cost(flops, 0, 3 * n_weights)


def _made(task: Task, dims: Sequence[int], small: Sequence[int]) -> Cost:
    """The moments of a task and its best network function."""
    n_in, n_out = dims[0], dims[-1]
    objective = 300 * MICROSECOND + full_decomposition(small[-1], small[0]) + 4 * n_in**2 * n_out
    match task:
        case CorrelationTask():
            return Cost(objective + 20 * n_in**2 * (n_in + n_out), 0, 6 * n_in * (n_in + n_out) + 3 * small[-1] ** 2)
        case DataTask(inputs=inputs):
            return _fitted(len(inputs), n_in, n_out) + Cost(objective, 0, 0)
        case RegressionTask(samples=samples):
            drawn = Cost(_DRAW_FLOPS * samples * (n_in + n_out), 0, 0)
            return drawn + _fitted(samples, n_in, n_out) + Cost(objective, 0, 0)
        case SemanticTask(levels=levels):
            items = 2**levels
            return Cost(objective + items * 5 * MICROSECOND + 40 * items**2 + 20 * items**3, 0, 6 * items**2)
        case _:
            return Cost(objective + 12 * (n_in**3 + n_out**3), 0, 3 * (n_in + n_out) ** 2)


def _fitted(samples: int, n_in: int, n_out: int) -> Cost:
    """Data are factorised, and their best network function is refined."""
    few, many = min(samples, n_in), max(samples, n_in)
    flops = 20 * few**2 * many + 20 * samples * n_in * n_out + _DATA_FLOPS * samples * (n_in + n_out)
    return Cost(flops, 0, 3 * samples * (n_in + n_out))


def _measured(dims: Sequence[int]) -> Cost:
    """The balance of all pairs of adjacent layers, and how near they are to wide ones."""
    total = Cost(200 * MICROSECOND, 0, 0)
    for n_in, n_hidden, n_out in zip(dims, dims[1:], dims[2:], strict=False):
        flops = product(n_hidden, n_in, n_hidden) + product(n_hidden, n_out, n_hidden) + 50 * MICROSECOND
        for width in (min(n_in, n_hidden), min(n_out, n_hidden)):
            flops += product(width, max(n_in, n_out, n_hidden), width)
        total += Cost(flops + 100 * n_hidden**2, 8, 4 * n_hidden**2 + 2 * n_hidden * (n_in + n_out))
    return total


def _weights(dims: Sequence[int]) -> int:
    return sum(a * b for a, b in pairwise(dims))
