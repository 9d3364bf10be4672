"""Networks and tasks of a request as arrays."""

from collections.abc import Sequence

import numpy as np

from lindyn.wire.network import BalancedNetwork, Network, RandomNetwork, WeightsNetwork
from lindyn.wire.task import CorrelationTask, DataTask, RegressionTask, SemanticTask, SpectrumTask, Task
from lindyn_service.dynamics import tasks
from lindyn_service.dynamics.balance import broken_inequality
from lindyn_service.dynamics.haar import haar_completion
from lindyn_service.dynamics.initialization import Directions, balanced_weights
from lindyn_service.dynamics.isotropy import Coloured, WhiteTask, white_task
from lindyn_service.dynamics.modes import modes
from lindyn_service.dynamics.random_weights import random_weights
from lindyn_service.dynamics.tasks import EPS
from lindyn_service.errors import InfeasibleBalanceError, InvalidRequestError
from lindyn_service.methods.exact import TOLERANCE

# equal seeds of network and task must not give equal numbers
_NETWORK_STREAM, _TASK_STREAM, _COMPLETION_STREAM = 0, 1, 2


def moments(task: Task, dims: Sequence[int], path: str = "task") -> tasks.Moments:
    """What a task is to a network of these widths.

    Raises:
        InvalidRequestError: second moments that no data have; `path` says where they are in the request.
    """
    n_in, n_out = dims[0], dims[-1]
    match task:
        case CorrelationTask(sigma_yx=sigma_yx, sigma_xx=sigma_xx, sigma_yy_trace=trace):
            _check_moments(sigma_yx, sigma_xx, trace, path)
            return tasks.Moments(sigma_yx, sigma_xx, trace)
        case DataTask(inputs=inputs, targets=targets, whiten=whiten):
            return tasks.from_data(inputs, targets, whiten=whiten)
        case RegressionTask(samples=samples, seed=seed):
            return tasks.regression(n_in, n_out, samples, rng(seed, _TASK_STREAM))
        case SemanticTask(levels=levels):
            return tasks.semantic(levels)
        case SpectrumTask(singular_values=values, seed=seed):
            return tasks.spectrum(n_in, n_out, values, rng(seed, _TASK_STREAM))


def _check_moments(sigma_yx: np.ndarray, sigma_xx: np.ndarray | None, trace: float | None, path: str) -> None:
    """Refuse second moments that no data have."""
    if sigma_xx is None:
        explained = float(np.sum(sigma_yx * sigma_yx))
    else:
        size = float(np.max(np.abs(sigma_xx)))
        if not np.allclose(sigma_xx, sigma_xx.T, rtol=0, atol=TOLERANCE * size):
            raise _invalid(f"{path}.sigma_xx", "got a matrix that is not symmetric, X X^T / P is")
        eigenvalues, vectors = np.linalg.eigh(sigma_xx)
        if eigenvalues[0] < -TOLERANCE * size:
            raise _invalid(f"{path}.sigma_xx", f"got the eigenvalue {eigenvalues[0]:.3g}, X X^T / P has none below 0")
        present = eigenvalues > TOLERANCE * size
        along = sigma_yx @ vectors
        if np.linalg.norm(along[:, ~present]) > TOLERANCE * np.linalg.norm(along):
            raise _invalid(f"{path}.sigma_yx", "got correlations with directions in which sigma_xx has no inputs")
        with np.errstate(over="ignore"):  # no trace is enough then
            explained = float(np.sum(along[:, present] ** 2 / eigenvalues[present]))
    if trace is not None and trace < explained * (1 - TOLERANCE):
        raise _invalid(
            f"{path}.sigma_yy_trace",
            f"got {trace:.17g}, data with these correlations have at least {explained:.17g}",
        )


def weights(network: Network, trained_on: tasks.Moments) -> tuple[np.ndarray, ...]:
    """Initial weights of a network, first layer first.

    Raises:
        InfeasibleBalanceError: no weights of these widths have this lambda.
    """
    match network:
        case WeightsNetwork(weights=given):
            return tuple(given)
        case BalancedNetwork():
            return _balanced(network, trained_on)
        case RandomNetwork(dims=dims, scheme=scheme, gains=gains, seed=seed):
            return random_weights(tuple(dims), scheme, gains, rng(seed, _NETWORK_STREAM))


def rng(seed: int | None, stream: int = _NETWORK_STREAM) -> np.random.Generator:
    """A generator of random numbers; a normalised request has its seeds drawn."""
    if seed is None:
        raise ValueError("a normalised request has its seeds drawn")
    return np.random.default_rng([stream, seed])


def _balanced(network: BalancedNetwork, trained_on: tasks.Moments) -> tuple[np.ndarray, ...]:
    """Draw the weights within the span of the inputs: what lies outside never learns."""
    white = white_task(trained_on, TOLERANCE)
    basis = white.basis if isinstance(white, WhiteTask) else None
    n_in, n_hidden, n_out = network.dims
    rank = n_in if basis is None else basis.shape[1]
    broken = broken_inequality(network.lam, rank, n_hidden, n_out)
    if broken is not None:
        within = "" if rank == n_in else f" (the inputs span {rank} of {n_in} dimensions)"
        raise InfeasibleBalanceError(broken + within, (("network.lambda", broken + within),))
    w1, w2 = balanced_weights(
        (rank, n_hidden, n_out),
        network.lam,
        network.scale,
        rng(network.seed, _NETWORK_STREAM),
        _directions(trained_on.sigma_yx if isinstance(white, Coloured) else white.sigma_yx, network)
        if network.aligned
        else None,
    )
    return (w1 if basis is None else w1 @ basis.T), w2


def _directions(sigma_yx: np.ndarray, network: BalancedNetwork) -> Directions:
    """Singular vectors of the task, of coloured inputs too, though their modes do not evolve alone.

    Where its singular values are zero, and on the wider side, the task leaves open which they are: any are as likely.
    """
    found, source = modes(sigma_yx, 0.0), rng(network.seed, _COMPLETION_STREAM)
    rank = int(np.count_nonzero(found.s > max(sigma_yx.shape) * EPS * found.s[0]))
    # beyond the modes, as many hidden units as the wider side has directions take all of them, in any basis
    if rank < len(found.s) or network.dims[1] < max(sigma_yx.shape):
        for vectors in (found.u, found.v):
            vectors[:, rank:] = haar_completion(vectors[:, :rank], len(vectors) - rank, source)
    return Directions(found.u, found.v)


def _invalid(path: str, detail: str) -> InvalidRequestError:
    return InvalidRequestError(f"{path}: {detail}", ((path, detail),))
