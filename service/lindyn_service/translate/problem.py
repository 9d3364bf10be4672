"""Networks and tasks of a request as arrays."""

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
from lindyn_service.methods.exact import TOLERANCE
from lindyn_service.methods.wide import wide_of

# equal seeds of network and task must not give equal numbers
_NETWORK_STREAM, _TASK_STREAM, _COMPLETION_STREAM = 0, 1, 2

_CONTRADICTION = 1e-9  # relative: second moments may be given with ten digits
_ROUNDED = 1e-12  # relative: of sums over samples


def moments(task: Task, dims: Sequence[int], path: str = "task") -> tasks.Moments:
    """What a task is to a network of these widths.

    Raises:
        InvalidRequestError: second moments that no data have; `path` says where they are in the request.
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
    """Second moments as they are given; those that no data have are refused."""
    sigma_yx, trace = task.sigma_yx, task.sigma_yy_trace
    sigma_xx = None if task.sigma_xx is None else _symmetric(task.sigma_xx, path)
    found = of_moments(sigma_yx, sigma_xx, None)
    _check_span(sigma_yx, found, path)
    if trace is not None:
        with np.errstate(over="ignore", invalid="ignore"):  # no trace is enough then
            left, rounding = remainder(found.best, sigma_yx, sigma_xx, trace)
        explained = trace - left if np.isfinite(left) else math.inf
        if not left >= -(_CONTRADICTION * explained + rounding):
            detail = f"got {trace:.17g}, data with these correlations have at least {explained:.17g}"
            raise _invalid(f"{path}.sigma_yy_trace", detail)
    return tasks.Moments(sigma_yx, sigma_xx, trace)


def _symmetric(sigma_xx: np.ndarray, path: str) -> np.ndarray:
    """A second moment of inputs is symmetric and has no eigenvalues below 0."""
    most = _CONTRADICTION * float(np.max(np.abs(sigma_xx)))
    if not np.allclose(sigma_xx, sigma_xx.T, rtol=0, atol=most):
        raise _invalid(f"{path}.sigma_xx", "got a matrix that is not symmetric, X X^T / P is")
    symmetric = (sigma_xx + sigma_xx.T) / 2
    least = np.linalg.eigvalsh(symmetric)[0]
    if least < -most:
        raise _invalid(f"{path}.sigma_xx", f"got the eigenvalue {least:.3g}, X X^T / P has none below 0")
    return symmetric


def _check_span(sigma_yx: np.ndarray, found: Fit, path: str) -> None:
    """Targets only correlate with inputs that are there."""
    along = sigma_yx @ found.right.T
    outside, whole = float(np.linalg.norm(sigma_yx - along @ found.right)), float(np.linalg.norm(sigma_yx))
    # rounding errors of sigma_xx turn directions without inputs towards those with few
    turned = EPS * float(np.sum(np.linalg.norm(along, axis=0) * (found.variances[:1] / found.variances)))
    if outside > _ROUNDED * whole + sigma_yx.shape[1] * turned:
        raise _invalid(
            f"{path}.sigma_yx",
            f"got correlations with directions in which sigma_xx has no inputs, a part of {outside / whole:.3g}: no "
            "data have these moments; if inputs are of so different sizes that these were lost in sigma_xx, give the "
            "data (task.kind = data), or inputs in other units",
        )


def weights(
    network: Network, trained_on: tasks.Moments, own_rates: learning_rates.LearningRates | None = None
) -> tuple[np.ndarray, ...]:
    """Initial weights of a network, first layer first; those of wide layers stand for them.

    Args:
        network: of any kind.
        trained_on: moments of its task.
        own_rates: learning rates, on which the invariants of wide layers depend that start at a function other than 0.

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
    """Layers with the initial network function and, in the plain flow, the representations of the limit."""
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
    """A request, whose task has these moments, as a method sees it.

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
    """Rates and schedule; None where there are none."""
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
