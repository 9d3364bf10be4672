"""Cost estimates of ensembles."""

from lindyn.wire.ensemble import EnsembleRequest
from lindyn_service.methods.blocks import OF_BLOCKS
from lindyn_service.methods.cost import Cost, numbers_of
from lindyn_service.methods.cost_blocks import block_cost, statistics_flops
from lindyn_service.operations import time_scales
from lindyn_service.operations.costs import trajectory_cost
from lindyn_service.operations.setup_costs import samples_of
from lindyn_service.translate.families import may_be_in_blocks


def ensemble_cost(request: EnsembleRequest) -> Cost:
    """Estimate the cost of all replicates, whose values are in memory at the same time, and of their statistics."""
    base, n = request.base, request.replicates
    samples = samples_of(base.task, base.dims)
    values = base.n_times * numbers_of(base.dims, base.quantities, samples)
    one = trajectory_cost(base)
    if _in_blocks(request):
        n_in, n_hidden, n_out = base.dims
        each = block_cost((n_in, n_hidden, n_out), base.n_times, base.quantities, samples)
        flops = one.flops + n * each
    else:
        flops = n * one.flops
    levels = len(request.quantiles)
    flops += values * statistics_flops(n, levels)
    return Cost(flops, base.n_times + (3 + levels) * values + n, one.work_numbers + one.numbers + n * values)


def _in_blocks(request: EnsembleRequest) -> bool:
    """Return whether the replicates are computed in blocks."""
    base = request.base
    if "task.seed" in request.vary or not OF_BLOCKS.issuperset(base.quantities):
        return False
    # a network of widths 1 has a single mode, so that it is aligned, which blocks do not cover
    return max(base.dims) > 1 and may_be_in_blocks(base) and time_scales.is_white(base.task)
