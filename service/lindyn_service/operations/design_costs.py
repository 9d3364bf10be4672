"""Cost estimates of designs."""

from collections.abc import Iterator

from lindyn.wire.design import DesignRequest
from lindyn.wire.document import InvalidDocumentError, read
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.methods.cost import MICROSECOND, Cost
from lindyn_service.operations.costs import point_cost

_EVALUATIONS = 350  # runs of the scan, of its refinements and of a few solutions
_ON_THE_AVERAGE = 0.5  # of the dearer bound's cost


def design_cost(request: DesignRequest) -> Cost:
    """Estimate the cost of all runs that a search takes, from those at the lower bound and at the upper one."""
    one = max((point_cost(run, [request.target.scalar]) for run in _at_bounds(request)), key=lambda cost: cost.flops)
    flops = _EVALUATIONS * _ON_THE_AVERAGE * (one.flops + 300 * MICROSECOND)
    return Cost(flops, 100, one.work_numbers + one.numbers)


def _at_bounds(request: DesignRequest) -> Iterator[TrajectoryRequest]:
    """Yield the runs at both bounds; the upper one may be no valid request."""
    yield request.base
    try:
        yield read(TrajectoryRequest, request.at(request.vary.bounds[1]))
    except InvalidDocumentError:
        return
