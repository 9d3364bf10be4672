"""Translation of the networks and tasks of requests to arrays."""

import math
from collections.abc import Sequence

import numpy as np

from lindyn.wire import learning
from lindyn.wire.asymptotics import LimitsRequest
from lindyn.wire.network import BalancedNetwork, Network, RandomNetwork, WeightsNetwork, WideNetwork
from lindyn.wire.task import CorrelationTask, DataTask, RegressionTask, SemanticTask, SpectrumTask, Task
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.dynamics import learning_rates, tasks
from lindyn_service.dynamics.balance import broken_inequality
from lindyn_service.dynamics.initialization import Directions, balanced_weights
from lindyn_service.dynamics.least_squares import EPS, Fit, of_moments, remainder
from lindyn_service.dynamics.modes import modes
from lindyn_service.dynamics.random_rotations import haar_completion
from lindyn_service.dynamics.random_weights import random_weights
from lindyn_service.dynamics.white_inputs import Coloured, WhiteTask, white_task
from lindyn_service.dynamics.wide_limit import representing, wide_layers
from lindyn_service.errors import InfeasibleBalanceError, InvalidRequestError
from lindyn_service.methods.base import LearningProblem
from lindyn_service.methods.exact_run import TOLERANCE
from lindyn_service.methods.wide import wide_of

# separate streams, so that equal seeds of network and task do not give equal numbers
_NETWORK_STREAM, _TASK_STREAM, _COMPLETION_STREAM = 0, 1, 2

_CONTRADICTION = 1e-9  # relative; second moments may have been rounded to ten digits
_ROUNDING = 1e-12  # relative rounding error of sums over samples


def moments(task: Task, dims: Sequence[int], path: str = "task") -> tasks.Moments:
    """Return the moments of a task, for a network of these widths.

    Args:
        task: task of the request.
        dims: widths of the network.
        path: path of the task in the request, for errors.

    Raises:
        InvalidRequestError: no data have these second moments.
    """
    n_in, n_out = dims[0], dims[-1]
    match task:
        case CorrelationTask():
            return _correlation(task, path)
        case DataTask(inputs=inputs, targets=targets, whiten=whiten):
            return tasks.from_data(inputs, targets, whiten=whiten)
        case RegressionTask(samples=samples, seed=seed):
            return tasks.regression(n_in, n_out, samples, rng(seed, _TASK_STREAM))
        case SemanticTask(levels=levels):
            return tasks.semantic(levels)
        case SpectrumTask(singular_values=values, seed=seed):
            return tasks.spectrum(n_in, n_out, values, rng(seed, _TASK_STREAM))


def _correlation(task: CorrelationTask, path: str) -> tasks.Moments:
    """Return given second moments, after checking that some data have them."""
    sigma_yx, trace = task.sigma_yx, task.sigma_yy_trace
    sigma_xx = None if task.sigma_xx is None else _symmetric(task.sigma_xx, path)
    fit = of_moments(sigma_yx, sigma_xx, None)
    _check_span(sigma_yx, fit, path)
    if trace is not None:
        with np.errstate(over="ignore", invalid="ignore"):  # an overflow is refused below, as a loss that is not finite
            left, rounding = remainder(fit.best, sigma_yx, sigma_xx, trace)
        explained = trace - left if np.isfinite(left) else math.inf
        if not left >= -(_CONTRADICTION * explained + rounding):
            detail = f"got {trace:.17g}, data with these correlations have at least {explained:.17g}"
            raise _invalid(f"{path}.sigma_yy_trace", detail)
    return tasks.Moments(sigma_yx, sigma_xx, trace)


def _symmetric(sigma_xx: np.ndarray, path: str) -> np.ndarray:
    """Symmetrise sigma_xx, after checking that it is symmetric and positive semidefinite up to rounding."""
    tolerance = _CONTRADICTION * float(np.max(np.abs(sigma_xx)))
    if not np.allclose(sigma_xx, sigma_xx.T, rtol=0, atol=tolerance):
        raise _invalid(f"{path}.sigma_xx", "got a matrix that is not symmetric, but X X^T / P is symmetric")
    symmetric = (sigma_xx + sigma_xx.T) / 2
    least = np.linalg.eigvalsh(symmetric)[0]
    if least < -tolerance:
        raise _invalid(f"{path}.sigma_xx", f"got the eigenvalue {least:.3g}, but X X^T / P has no eigenvalues below 0")
    return symmetric


def _check_span(sigma_yx: np.ndarray, fit: Fit, path: str) -> None:
    """Check that the targets correlate only with directions in which the inputs have variance."""
    along = sigma_yx @ fit.right.T
    outside, size = float(np.linalg.norm(sigma_yx - along @ fit.right)), float(np.linalg.norm(sigma_yx))
    # rounding errors of sigma_xx rotate directions without variance towards those with little
    rotated = EPS * float(np.sum(np.linalg.norm(along, axis=0) * (fit.variances[:1] / fit.variances)))
    if outside > _ROUNDING * size + sigma_yx.shape[1] * rotated:
        raise _invalid(
            f"{path}.sigma_yx",
            f"got correlations with directions in which sigma_xx has no inputs ({outside / size:.3g} of sigma_yx, "
            "relative): no data have these moments; if sigma_xx lost small inputs to rounding beside large ones, give "
            "the data (task.kind = data), or scale the inputs",
        )


def weights(
    network: Network, trained_on: tasks.Moments, own_rates: learning_rates.LearningRates | None = None
) -> tuple[np.ndarray, ...]:
    """Return the initial weights of a network, first layer first.

    A wide network is given layers with n_in + n_out hidden units that learn as it does.

    Args:
        network: network of the request.
        trained_on: moments of its task.
        own_rates: learning rates, on which the layers of a wide network depend; None for rates of 1.

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
        case WideNetwork():
            return _representing(network, own_rates)


def _representing(network: WideNetwork, own_rates: learning_rates.LearningRates | None) -> tuple[np.ndarray, ...]:
    """Return layers with the initial function of a wide network and, in the plain flow, its representations."""
    n_in, _, n_out = network.dims
    function = np.zeros((n_out, n_in))
    if network.start == "drawn":
        w1, w2 = random_weights(network.dims, network.scheme, network.gains, rng(network.seed, _NETWORK_STREAM))
        function = w2 @ w1
    sizes = wide_layers(network.dims, network.scheme, network.gains)
    if own_rates is None:
        return representing(function, sizes.a, sizes.b)
    sizes = sizes.rescaled(own_rates.relative)
    return own_rates.weights(representing(function, sizes.a, sizes.b))


def learning_problem(
    request: TrajectoryRequest, trained_on: tasks.Moments, times: np.ndarray, quantities: Sequence[str]
) -> LearningProblem:
    """Translate a request to a learning problem.

    Args:
        request: the request.
        trained_on: moments of its task.
        times: ascending, non-negative.
        quantities: names of the quantities to compute.

    Raises:
        InfeasibleBalanceError: no weights of these widths have this lambda.
    """
    own_rates = rates(request)
    return LearningProblem(
        weights=weights(request.network, trained_on, own_rates),
        moments=trained_on,
        time_constant=request.time_constant,
        times=times,
        quantities=tuple(quantities),
        lam=request.network.lam if isinstance(request.network, BalancedNetwork) else None,
        wide=wide_of(request.network),
        drawn=not isinstance(request.network, WeightsNetwork),
        rates=own_rates,
        weight_decay=request.weight_decay,
    )


def rates(request: TrajectoryRequest | LimitsRequest) -> learning_rates.LearningRates | None:
    """Return the learning rates and schedule of a request; None if all rates are 1 and there is no schedule."""
    if learning.are_ones(request.learning_rates) and request.schedule is None:
        return None
    layers = request.learning_rates or [1.0] * (len(request.dims) - 1)
    return learning_rates.LearningRates(tuple(layers), _schedule(request.schedule), request.time_constant)


def _schedule(schedule: learning.Schedule | None) -> learning_rates.Schedule:
    match schedule:
        case None:
            return learning_rates.ConstantSchedule()
        case learning.CosineSchedule(period=period, floor=floor):
            return learning_rates.CosineSchedule(period, floor)
        case learning.ExponentialSchedule(half_life=half_life):
            return learning_rates.ExponentialSchedule(half_life)
        case learning.PiecewiseSchedule(times=times, factors=factors):
            return learning_rates.PiecewiseSchedule(tuple(times), tuple(factors))


def rng(seed: int | None, stream: int = _NETWORK_STREAM) -> np.random.Generator:
    """Return the random number generator of a seed.

    Raises:
        ValueError: the seed is None, which a normalised request does not have.
    """
    if seed is None:
        raise ValueError("the request is not normalised: a seed is missing")
    return np.random.default_rng([stream, seed])


def _balanced(network: BalancedNetwork, trained_on: tasks.Moments) -> tuple[np.ndarray, ...]:
    """Draw balanced weights within the span of the inputs, since weights outside never learn."""
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
    """Return singular vectors of the task for aligned weights, also for coloured inputs.

    The task does not determine the vectors of singular values that are zero, nor those beyond the narrower side. These
    are drawn uniformly.
    """
    basis, generator = modes(sigma_yx, 0.0), rng(network.seed, _COMPLETION_STREAM)
    rank = int(np.count_nonzero(basis.s > max(sigma_yx.shape) * EPS * basis.s[0]))
    # with full rank and enough hidden units, the weights span all further directions, whatever their basis
    if rank < len(basis.s) or network.dims[1] < max(sigma_yx.shape):
        for vectors in (basis.u, basis.v):
            vectors[:, rank:] = haar_completion(vectors[:, :rank], len(vectors) - rank, generator)
    return Directions(basis.u, basis.v)


def _invalid(path: str, detail: str) -> InvalidRequestError:
    return InvalidRequestError(f"{path}: {detail}", ((path, detail),))
