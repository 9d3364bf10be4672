"""Limits of a sweep and of each of its points."""

from dataclasses import dataclass, replace

from lindyn.wire.method import DescentMethod
from lindyn.wire.sweep import AT_ALL_TIMES, SweepRequest
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.errors import TooLargeError
from lindyn_service.methods.cost import Cost, numbers_of
from lindyn_service.operations.costs import point_cost
from lindyn_service.operations.setup_costs import samples_of

NUMBER_BYTES = 8  # of a number in the record of a point


@dataclass(frozen=True)
class SweepLimits:
    """Limits of a sweep.

    Attributes:
        points: largest number of points of the grid.
        result_bytes: largest size of the table.
        request_bytes: largest size of the request in JSON, which is stored until the job ends.
        point_bytes: largest size of the record of a point.
        point_flops: largest estimated work of a point.
        job_flops: largest estimated work of all points together.
    """

    points: int
    result_bytes: int
    request_bytes: int
    point_bytes: int
    point_flops: float
    job_flops: float


def check_point(limits: SweepLimits, request: SweepRequest, point: TrajectoryRequest) -> Cost:
    """Estimate the cost of a point, including the numbers that it adds to the table.

    Raises:
        TooLargeError: the cost is over a limit.
    """
    cost = _cost(request, point)
    if cost.flops > limits.point_flops:
        raise TooLargeError(
            f"a point is estimated to take {cost.flops:.3g} floating-point operations, the limit is "
            f"{limits.point_flops:.3g}; ask for fewer times or steps, or smaller widths"
        )
    if NUMBER_BYTES * cost.numbers > limits.point_bytes:
        raise TooLargeError(
            f"a point is estimated to have {cost.numbers} numbers, the limit is {limits.point_bytes // NUMBER_BYTES}; "
            "collect scalars instead of quantities, or fewer times"
        )
    return cost


def check_work(limits: SweepLimits, flops: float) -> None:
    """Compare the estimated work of all points of a job with the limit.

    Raises:
        TooLargeError: the work is over the limit.
    """
    if flops > limits.job_flops:
        raise TooLargeError(
            f"the job is estimated to take {flops:.3g} floating-point operations, the limit is {limits.job_flops:.3g} "
            "(LINDYN_MAX_JOB_FLOPS); ask for fewer points, times or steps, or for smaller widths"
        )


def _cost(request: SweepRequest, point: TrajectoryRequest) -> Cost:
    quantities = [name for name in request.collect if name in AT_ALL_TIMES]
    numbers = len(request.collect)
    if quantities:
        numbers += point.n_times * numbers_of(point.dims, quantities, samples_of(point.task, point.dims))
        numbers += point.n_times if _may_have_own_times(request, point) else 0  # its times are stored beside its values
    return replace(point_cost(point, request.collect), numbers=numbers)


def _may_have_own_times(request: SweepRequest, point: TrajectoryRequest) -> bool:
    """Return whether the times of the answer may differ from those of the base request."""
    return isinstance(point.method, DescentMethod) or any(axis.path.split(".")[0] == "times" for axis in request.axes)
