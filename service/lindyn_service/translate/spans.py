"""In how many dimensions a problem is solved, from a look at its request."""

from collections.abc import Sequence

from lindyn.wire.network import Network, WeightsNetwork, WideNetwork
from lindyn.wire.task import CorrelationTask, DataTask, RegressionTask, Task
from lindyn_service.dynamics.reduction import kept_widths


def reduced_dims(network: Network, task: Task, *, linear: bool = True) -> tuple[int, ...]:
    """Widths of the problem that is solved, or a little more; those of the layers that stand for wide ones.

    Coloured inputs count as if each direction had a variance of its own.

    Args:
        network: given weights keep all dimensions.
        task: what it learns.
        linear: whether the hidden units are.
    """
    dims = own_dims(network)
    if isinstance(network, WeightsNetwork | WideNetwork):
        return dims
    targets, inputs = _columns(task, dims, linear=linear)
    return kept_widths(dims, targets, inputs, linear=linear)


def own_dims(network: Network) -> tuple[int, ...]:
    """Widths of the network; a wide one has as many hidden units as the layers that stand for it."""
    if isinstance(network, WideNetwork):
        n_in, _, n_out = network.dims
        return n_in, n_in + n_out, n_out
    return tuple(network.dims)


def _columns(task: Task, dims: Sequence[int], *, linear: bool) -> tuple[int, int]:
    """How many columns span what the outputs are trained on, and what the inputs have to keep."""
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
