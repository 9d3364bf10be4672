"""Cost estimates of each kind of request, from its sizes and from quick estimates of its time scales."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lindyn.wire.asymptotics import LimitsRequest
from lindyn.wire.balance import BalanceRequest, InitializationRequest, StatisticsRequest
from lindyn.wire.continual import ContinualRequest
from lindyn.wire.method import AutoMethod, DescentMethod, ExactMethod, FlowMethod
from lindyn.wire.network import BalancedNetwork, Network, WideNetwork
from lindyn.wire.sweep import AT_ALL_TIMES
from lindyn.wire.task import Task
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.dynamics.learning_rates import LearningRates
from lindyn_service.dynamics.regimes import is_small
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
from lindyn_service.methods.cost_exact import (
    decaying_cost,
    evaluated,
    evaluated_alone,
    exact_cost,
    of_error,
    one_layer_cost,
    searched,
    solved,
)
from lindyn_service.methods.cost_flow import flow_cost
from lindyn_service.methods.cost_modes import modes_cost
from lindyn_service.methods.flow import DEFAULT_RTOL
from lindyn_service.operations import time_scales
from lindyn_service.operations.mode_probe import learns_mode_wise
from lindyn_service.operations.setup_costs import (
    DRAW_FLOPS,
    measured_balance_cost,
    n_weights,
    samples_of,
    setup_cost,
    task_cost,
    weights_cost,
)
from lindyn_service.translate.problem import rates
from lindyn_service.translate.spans import own_dims, reduced_dims

_STOPPING_TIMES = 700  # evaluations of a segment to find the best stopping times of the earlier tasks
_STOPPING_TIMES_PER_TASK = 20  # further evaluations for each earlier task
_WITH_STEP = 3  # factor of the flow that descent follows, whose velocity has a derivative
_SEARCHED_TIMES = 600  # evaluations of modes to find the time at which the loss falls to a tolerance
_QUANTITY_OF_SCALAR = {"final_loss": "loss", "ntk_movement": "ntk_movement", "kernel_distance": "ntk_distance"}


def trajectory_cost(request: TrajectoryRequest) -> Cost:
    """Estimate the cost of a trajectory with its error estimates."""
    setup = setup_cost(request.network, request.task, _reduced_dims(request))
    solution = setup + method_cost(request, request.quantities, request.n_times, estimate=True)
    return solution + _regime_cost(request)


def _regime_cost(request: TrajectoryRequest) -> Cost:
    """Estimate the cost of the regime: the kernels at time 0 and at the last time."""
    dims, names = _reduced_dims(request), ("excess_loss", "ntk_distance", "ntk_movement")
    each = evaluated(_effective_dims(request.network, dims)) + observed(dims, names, dims[0])
    return Cost(400 * MICROSECOND + each, 0, 0) if is_small(dims[0], dims[-1]) else Cost(0.0, 0, 0)


def point_cost(request: TrajectoryRequest, collect: Sequence[str]) -> Cost:
    """Estimate the cost of a point of a sweep: without error estimates, and at the last time only if this suffices."""
    total = setup_cost(request.network, request.task, _reduced_dims(request)) + Cost(500 * MICROSECOND, 0, 0)
    names = [name for name in collect if name not in ("convergence_time", "deviation")]
    quantities = sorted(
        {_QUANTITY_OF_SCALAR.get(name, "task_specificity" if "specific" in name else name) for name in names}
    )
    if names:
        only_last = AT_ALL_TIMES.isdisjoint(names)
        total += method_cost(request, quantities, 1 if only_last else request.n_times, estimate=False)
    if "convergence_time" in collect:
        total += _convergence_cost(request)
    if "deviation" in collect:
        total += method_cost(request, ["loss"], request.n_times, estimate=False)
        dims = reduced_dims(request.network, request.task)
        total += exact_cost(
            dims,
            _effective_dims(request.network, dims),
            request.n_times,
            ["loss"],
            samples_of(request.task, request.dims),
            _fast_times(request),
            estimate=False,
        )
    return total


def initialization_cost(request: InitializationRequest) -> Cost:
    """Estimate the cost of initial weights and their balance.

    Drawing the weights alone takes a third of the time that `weights_cost` counts as part of a trajectory.
    """
    task = Cost(0.0, 0, 0) if request.task is None else task_cost(request.task, request.dims, request.dims)
    weights = weights_cost(request.network)
    return (
        task
        + Cost(weights.flops / 3, n_weights(request.dims), weights.work_numbers)
        + measured_balance_cost(request.dims)
    )


def balance_cost(request: BalanceRequest) -> Cost:
    """Estimate the cost of the balance of given weights."""
    return measured_balance_cost([request.weights[0].shape[1], *(len(w) for w in request.weights)])


def statistics_cost(request: StatisticsRequest) -> Cost:
    """Estimate the cost of balance statistics over random draws of the weights."""
    n_in, n_hidden, n_out = request.dims
    weights, entries = n_hidden * (n_in + n_out), n_hidden**2
    sample = DRAW_FLOPS * weights + product(n_hidden, n_in, n_hidden) + product(n_hidden, n_out, n_hidden)
    numbers = 4 * entries
    flops = 300 * MICROSECOND + request.samples * (sample + 120 * entries)
    return Cost(flops, numbers, 4 * weights + numbers)


def limits_cost(request: LimitsRequest) -> Cost:
    """Estimate the cost of the asymptotic state and the convergence time."""
    n_in, n_hidden, n_out = dims = _effective_dims(request.network, request.network.dims)
    extremes = 3 * full_decomposition(max(n_in, n_out), n_hidden)
    numbers = 4 * n_in * n_out + n_in**2 + n_out**2
    work = 3 * (n_in + n_out) * (n_hidden + n_in + n_out) + vectors_of_sharpness(dims, 1)
    flops = 1500 * MICROSECOND + 2 * solved(dims) + extremes + searched(dims) + observed(dims, ["sharpness"], n_in)
    total, decays = Cost(flops, numbers, work), request.weight_decay > 0
    if len(request.dims) > 2 and (decays or not _is_balanced(request.network, request.task, rates(request))):
        total += modes_cost(own_dims(request.network), _SEARCHED_TIMES, ["loss"], n_in, decays=decays, estimate=False)
    return setup_cost(request.network, request.task, request.dims) + total


def continual_cost(request: ContinualRequest) -> Cost:
    """Estimate the cost of a segment per task, with the losses of all tasks and the best times to stop."""
    n_tasks = len(request.tasks)
    n_in, n_hidden, n_out = dims = _effective_dims(request.network, request.network.dims)
    total = weights_cost(request.network) + Cost(1000 * MICROSECOND, 3 * n_tasks * n_tasks * request.num, 0)
    loss_flops = 20 * n_in * n_out + 0.3 * MICROSECOND
    for i, segment in enumerate(request.tasks):
        state_flops = evaluated(dims) + of_error(dims) + 5 * product(n_out, n_hidden, n_in)
        flops = solved(dims) + searched(dims) + request.num * (state_flops + n_tasks * loss_flops)
        if i:
            flops += _STOPPING_TIMES * (state_flops + (i + 1) * loss_flops)
            flops += i * _STOPPING_TIMES_PER_TASK * 2 * evaluated_alone(dims)
        rows = n_in + n_out
        total += task_cost(segment.task, dims, dims) + Cost(flops, 0, 3 * rows * (n_hidden + rows))
    return total


def method_cost(request: TrajectoryRequest, quantities: Sequence[str], n_times: int, *, estimate: bool) -> Cost:
    """Estimate the cost of the method that applies, with the reduction of the problem and the transformation back."""
    samples, dims = samples_of(request.task, request.dims), _reduced_dims(request)
    solving = _solving_cost(request, dims, quantities, n_times, estimate=estimate)
    return reduced_cost(solving, own_dims(request.network), dims, n_times, quantities, samples)


def _solving_cost(
    request: TrajectoryRequest, dims: Sequence[int], quantities: Sequence[str], n_times: int, *, estimate: bool
) -> Cost:
    """Estimate the cost of the method that applies, in the dimensions of the reduced problem."""
    samples, method = samples_of(request.task, request.dims), request.method
    match method:
        case DescentMethod(learning_rate=learning_rate, activation=activation):
            steps = last_time(request) / learning_rate
            linear, runs = activation == "linear", 2 if estimate else 1
            return descent_cost(dims, n_times, quantities, samples, steps, linear=linear, runs=runs)
        case ExactMethod() | AutoMethod() if len(dims) == 2:
            return one_layer_cost(dims, n_times, quantities, samples, estimate=estimate)
        case ExactMethod() | AutoMethod() if _is_exact(request):
            effective = _effective_dims(request.network, dims)
            return exact_cost(dims, effective, n_times, quantities, samples, _fast_times(request), estimate=estimate)
        case ExactMethod() | AutoMethod() if _has_decaying_balance(request):
            return decaying_cost(dims, n_times, quantities, samples, estimate=estimate)
        case ExactMethod() | AutoMethod() if _is_mode_wise(request):
            decays = request.weight_decay > 0
            return modes_cost(dims, n_times, quantities, samples, decays=decays, estimate=estimate)
        case _:
            learning, span = rates(request), _plain_span(request)
            scales = time_scales.estimate(request.network, request.task, learning)
            rtol = method.rtol if isinstance(method, FlowMethod) else DEFAULT_RTOL
            decay = request.weight_decay * (1.0 if learning is None else max(learning.relative))
            found = flow_cost(dims, n_times, quantities, samples, scales, span, rtol, decay=decay, estimate=estimate)
            steps = isinstance(method, FlowMethod) and method.step is not None
            return replace(found, flops=_WITH_STEP * found.flops) if steps else found


def _convergence_cost(request: TrajectoryRequest) -> Cost:
    """Estimate the cost of the time at which the loss falls below a tolerance."""
    if isinstance(request.method, DescentMethod):
        steps = last_time(request) / request.method.learning_rate
        return Cost(steps * (linear_step(_reduced_dims(request), 1) + 40 * MICROSECOND), 0, 0)
    if isinstance(request.method, ExactMethod | AutoMethod) and _is_exact(request):
        dims = _effective_dims(request.network, _reduced_dims(request))
        return Cost(solved(dims) + searched(dims), 0, 0)
    searches = isinstance(request.method, ExactMethod | AutoMethod) and _is_mode_wise(request)
    return method_cost(request, ["loss"], _SEARCHED_TIMES if searches else 1, estimate=False)


def _is_exact(request: TrajectoryRequest) -> bool:
    """Return whether the closed form of balanced weights applies.

    With weight decay, it needs balance 0 and does not give weights.
    """
    network, is_wide = request.network, isinstance(request.network, WideNetwork)
    if request.weight_decay and (is_wide or getattr(network, "lam", 0.0) != 0 or "weights" in request.quantities):
        return False
    if is_wide and samples_of(request.task, request.dims) < request.dims[0]:
        return False
    return _is_balanced(network, request.task, rates(request))


def _has_decaying_balance(request: TrajectoryRequest) -> bool:
    """Return whether weights of a balance other than 0 learn with weight decay, and are not asked for themselves."""
    decays, is_wide = request.weight_decay > 0, isinstance(request.network, WideNetwork)
    return (
        decays
        and not is_wide
        and "weights" not in request.quantities
        and _is_balanced(request.network, request.task, rates(request))
    )


def _is_balanced(network: Network, task: Task, learning: LearningRates | None = None) -> bool:
    return len(network.dims) == 3 and time_scales.is_white(task) and time_scales.is_balanced(network, learning)


def _is_mode_wise(request: TrajectoryRequest) -> bool:
    """Return whether the solution mode by mode applies; also for method exact, whose refusal costs no more."""
    learning = rates(request)
    if request.weight_decay and (len(request.dims) != 3 or not (learning is None or learning.are_equal)):
        return isinstance(request.method, ExactMethod)
    return isinstance(request.method, ExactMethod) or learns_mode_wise(request.network, request.task, learning)


def _reduced_dims(request: TrajectoryRequest) -> tuple[int, ...]:
    """Return the widths of the problem that is solved."""
    method = request.method
    linear = not isinstance(method, DescentMethod) or method.activation == "linear"
    return reduced_dims(request.network, request.task, linear=linear)


def _effective_dims(network: Network, dims: Sequence[int]) -> tuple[int, int, int]:
    """Return the widths with which the closed form works.

    With lambda = 0, the weights have at most the rank of the network function, so the hidden width is at most the other
    two. Other depths, which the closed form does not cover, count as width 1, since refusing them costs little.
    """
    if len(dims) != 3:
        return dims[0], 1, dims[-1]
    if isinstance(network, WideNetwork):
        return dims[0], max(dims[0], dims[2]), dims[2]
    if isinstance(network, BalancedNetwork) and network.lam == 0:
        return dims[0], min(dims), dims[2]
    return dims[0], dims[1], dims[2]


def _plain_span(request: TrajectoryRequest) -> float:
    """Return the last time in the plain flow, in units of the time constant."""
    last, learning = last_time(request), rates(request)
    return last / request.time_constant if learning is None else float(learning.plain_times(np.array([last]))[0])


def last_time(request: TrajectoryRequest) -> float:
    """Return the last time, in the unit of times."""
    return float(request.times[-1]) if isinstance(request.times, np.ndarray) else request.times.stop


def _fast_times(request: TrajectoryRequest) -> float:
    """Return the last time in units of the fastest time scale."""
    scales = time_scales.estimate(request.network, request.task, rates(request))
    return _plain_span(request) * (2 * scales.correlation + float(np.sum(scales.strengths**2)) * max(request.dims))
