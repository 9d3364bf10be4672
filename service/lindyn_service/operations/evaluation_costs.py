"""Cost estimates of trajectories with the losses of other tasks."""

from itertools import pairwise

from lindyn.wire.method import DescentMethod
from lindyn.wire.task import DataTask
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.methods.cost import MICROSECOND, Cost, full_decomposition, product
from lindyn_service.operations import costs, setup_costs

_SEARCHES = 7  # evaluations of the run, at more and more times, to find all minima of the losses
_SEARCHED = 150  # times in each, on the average


def trajectory_cost(request: TrajectoryRequest) -> Cost:
    """Estimate the cost of a trajectory, and of its evaluation on other tasks."""
    total = costs.trajectory_cost(request)
    if request.evaluate is None:
        return total
    n_tasks, n_in, n_out = len(request.evaluate), request.dims[0], request.dims[-1]
    for task in request.evaluate:
        total += setup_costs.task_cost(task, request.dims, request.dims)
    if isinstance(request.task, DataTask) and request.task.whiten:
        total += Cost(full_decomposition(*request.task.inputs.shape) + product(n_in, n_in, n_in), 0, 3 * n_in**2)
    numbers = n_tasks * request.n_times
    if isinstance(request.method, DescentMethod):
        return total + _of_steps(request, request.method) + Cost(0.0, numbers, 0)
    searched = costs.method_cost(request, ["output"], _SEARCHED, estimate=False)
    again = costs.method_cost(request, ["output"], request.n_times, estimate=False)
    each = MICROSECOND + n_tasks * product(n_out, n_in, n_in)
    flops = _SEARCHES * (searched.flops + _SEARCHED * each) + again.flops + request.n_times * each
    return total + Cost(flops, numbers, again.work_numbers + 2**22)


def _of_steps(request: TrajectoryRequest, method: DescentMethod) -> Cost:
    """Training once more, with the losses after every step."""
    steps = costs.last_time(request) / method.learning_rate
    trained = costs.method_cost(request, ["loss"], 1, estimate=False)
    n_in, n_out = request.dims[0], request.dims[-1]
    each = 0.0
    for task in request.evaluate or ():
        samples = setup_costs.samples_of(task, request.dims) if method.activation != "linear" else n_in
        widths = request.dims if method.activation != "linear" else (n_in, n_out)
        each += 10 * MICROSECOND + sum(product(b, a, samples) for a, b in pairwise(widths))
        each += sum(product(b, a, n_in) for a, b in pairwise(request.dims))
    kept = int((steps + 1) * len(request.evaluate or ()))
    return trained + Cost(steps * each, 0, kept + 2**20)
