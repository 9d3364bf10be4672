"""Estimates, from a request, of the dimensions of the reduced problem."""

from collections.abc import Sequence

from lindyn.wire.network import Network, WeightsNetwork, WideNetwork
from lindyn.wire.task import CorrelationTask, DataTask, RegressionTask, Task
from lindyn_service.dynamics.reduction import kept_widths


def reduced_dims(network: Network, task: Task, *, linear: bool = True) -> tuple[int, ...]:
    """Return the widths of the reduced problem, or slightly larger ones.

    Coloured inputs are assumed to have a different variance in each direction. Networks of kind weights keep all
    dimensions, and those of kind wide have the widths of `own_dims`.

    Args:
        network: network of the request.
        task: task of the request.
        linear: whether the hidden units are linear.
    """
    dims = own_dims(network)
    if isinstance(network, WeightsNetwork | WideNetwork):
        return dims
    targets, inputs = _columns(task, dims, linear=linear)
    return kept_widths(dims, targets, inputs, linear=linear)


def own_dims(network: Network) -> tuple[int, ...]:
    """Return the widths of a network; for one of kind wide, those of the layers that represent it."""
    if isinstance(network, WideNetwork):
        n_in, _, n_out = network.dims
        return n_in, n_in + n_out, n_out
    return tuple(network.dims)


def _columns(task: Task, dims: Sequence[int], *, linear: bool) -> tuple[int, int]:
    """Return the numbers of columns that span the targets, and the inputs that a reduction has to keep."""
    n_in, n_out = dims[0], dims[-1]
    match task:
        case DataTask(inputs=data, whiten=whiten):
            samples, coloured = len(data), not whiten
        case RegressionTask(samples=samples):
            coloured = False
        case CorrelationTask(sigma_xx=sigma_xx):
            samples, coloured = n_in, sigma_xx is not None
        case _:
            samples, coloured = n_in, False
    if not linear:
        return samples, samples
    if samples < n_in:
        return samples, samples
    return n_in, n_out + (n_in if coloured else 0)
