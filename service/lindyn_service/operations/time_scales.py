"""What the speed of learning depends on, from a look at a request that takes less than a millisecond."""

import math
from itertools import pairwise

import numpy as np

from lindyn.wire.array import FloatArray
from lindyn.wire.network import BalancedNetwork, Network, RandomNetwork, WeightsNetwork
from lindyn.wire.task import CorrelationTask, DataTask, RegressionTask, SemanticTask, SpectrumTask, Task
from lindyn_service.dynamics.random_weights import variance
from lindyn_service.methods.cost_flow import Scales

_ENTRIES = 2**14  # of a matrix that are looked at
_SMALL = 24  # width up to which matrices are decomposed
_SPREAD = 8.0  # of the singular values of others, a typical ratio
_BELOW_MEAN = 0.6  # of the logarithm of what a random layer of width 1 lengthens vectors by
_PROBED = 1e-6  # relative: what a probe takes for balanced, or for isotropic
_GOLDEN = 0.6180339887498949


def of(network: Network, task: Task) -> Scales:
    """The scales of a network and its task."""
    n_in, n_out = network.dims[0], network.dims[-1]
    correlation, best, inputs = _of_task(task, n_in, n_out)
    return Scales(_strengths(network), correlation, best, inputs)


def is_balanced(network: Network) -> bool:
    """Whether weights of two layers are balanced, by one direction of the hidden units."""
    if not isinstance(network, WeightsNetwork):
        return isinstance(network, BalancedNetwork)
    w1, w2 = network.weights
    probe = _probe(len(w1))
    found = (w2 @ probe) @ w2 - w1 @ (probe @ w1)
    rest = found - (found @ probe) * probe
    size = float(np.linalg.norm(w2 @ probe) ** 2 + np.linalg.norm(probe @ w1) ** 2)
    return float(np.linalg.norm(rest)) <= _PROBED * size


def is_white(task: Task) -> bool:
    """Whether inputs are white up to a factor, by one direction."""
    match task:
        case DataTask(inputs=inputs, whiten=False):
            probe = _probe(inputs.shape[1])
            seen = (inputs @ probe) @ inputs
        case CorrelationTask(sigma_xx=sigma_xx) if sigma_xx is not None:
            probe = _probe(len(sigma_xx))
            seen = sigma_xx @ probe
        case _:
            return True
    rest = seen - (seen @ probe) * probe
    return float(np.linalg.norm(rest)) <= _PROBED * float(np.linalg.norm(seen))


def _strengths(network: Network) -> FloatArray:
    """By which factor each layer lengthens vectors."""
    match network:
        case BalancedNetwork(dims=(n_in, n_hidden, n_out), lam=lam, scale=scale):
            function = scale**2 * math.sqrt(n_hidden * max(n_in, n_out))
            larger = math.sqrt(math.hypot(function, lam / 2) + abs(lam) / 2)
            pair = (function / larger, larger) if lam >= 0 else (larger, function / larger)
            return np.array(pair)
        case RandomNetwork(dims=dims, scheme=scheme, gains=gains):
            layers = zip(pairwise(dims), gains, strict=True)
            deviations = [math.sqrt(variance(scheme, *pair, gain)) for pair, gain in layers]
        case _:
            deviations = [_rms(w) for w in network.weights]
    if len(deviations) == 2:
        return np.array(
            [size * max(pair) ** 0.5 for size, pair in zip(deviations, pairwise(network.dims), strict=True)]
        )
    # the squared norm of a product of random layers has each width once, and its logarithm is below that of the mean
    drawn = isinstance(network, RandomNetwork)
    below = [math.exp(-_BELOW_MEAN / min(a, b)) if drawn or a * b > 1 else 1.0 for a, b in pairwise(network.dims)]
    widths = [(a * b) ** 0.25 for a, b in pairwise(network.dims)]
    return np.array(deviations) * widths * below


def _of_task(task: Task, n_in: int, n_out: int) -> tuple[float, tuple[float, float], tuple[float, float]]:
    """Largest singular value of sigma_yx; of the best network function and of the inputs, the largest and smallest."""
    white = (1.0, 1.0)
    match task:
        case SpectrumTask(singular_values=values):
            largest = float(np.max(values))
            return largest, (largest, float(np.min(values)) if len(values) == min(n_in, n_out) else 0.0), white
        case SemanticTask(levels=levels):
            root = 2 ** (levels / 2)
            return 1 / root, (root, math.sqrt(2)), (root**-2, root**-2)
        case RegressionTask(samples=samples):
            wide, narrow = math.sqrt(max(n_in, n_out)), math.sqrt(min(n_in, n_out))
            largest = (wide + narrow) / math.sqrt(samples)
            return largest, (largest, (wide - narrow) / math.sqrt(samples)), white
        case CorrelationTask(sigma_yx=sigma_yx, sigma_xx=sigma_xx) if sigma_xx is not None:
            return _coloured(sigma_yx, sigma_xx)
        case CorrelationTask(sigma_yx=sigma_yx):
            largest, least = _extremes(sigma_yx)
            return largest, (largest, least), white
        case DataTask(inputs=inputs, targets=targets, whiten=whiten):
            return _of_data(inputs, targets, whiten=whiten)


def _of_data(
    inputs: FloatArray, targets: FloatArray, *, whiten: bool
) -> tuple[float, tuple[float, float], tuple[float, float]]:
    """From some of the samples."""
    columns = inputs.shape[1] + targets.shape[1]
    step = max(1, len(inputs) // max(4 * min(_SMALL, inputs.shape[1]), 2 * _ENTRIES // columns))
    x, y = inputs[::step], targets[::step]
    if inputs.shape[1] <= _SMALL and len(x) >= inputs.shape[1]:
        yx, xx = y.T @ x / len(x), x.T @ x / len(x)
        if not whiten:
            return _coloured(yx, xx)
        variances, axes = np.linalg.eigh(xx)
        largest, least = _extremes(yx @ axes / np.sqrt(np.maximum(variances, 1e-12 * variances[-1] + 1e-300)))
        return largest, (largest, least), (1.0, 1.0)
    size, target = _norm(x) / math.sqrt(len(x)), _norm(y) / math.sqrt(len(x))
    if whiten:
        return target, (target, target / _SPREAD), (1.0, 1.0)
    correlation = _norm((y @ _probe(y.shape[1])) @ x) / len(x)
    return correlation, (correlation / size**2, correlation / size**2 / _SPREAD), (size**2, size**2 / _SPREAD)


def _coloured(sigma_yx: FloatArray, sigma_xx: FloatArray) -> tuple[float, tuple[float, float], tuple[float, float]]:
    """From moments."""
    correlation, least = _extremes(sigma_yx)
    if len(sigma_xx) > _SMALL:
        most = _extremes(sigma_xx)[0]
        typical = _rms(np.diagonal(sigma_xx)[None]) or most
        return correlation, (correlation / typical, least / typical), (most, most / _SPREAD)
    variances, axes = np.linalg.eigh((sigma_xx + sigma_xx.T) / 2)
    present = variances > 1e-12 * variances[-1]
    if not np.any(present):
        return correlation, (correlation, least), (1.0, 1.0)
    along, variances = sigma_yx @ axes[:, present], variances[present]
    return correlation, _extremes(along / variances), (float(variances[-1]), float(variances[0]))


def _extremes(matrix: FloatArray) -> tuple[float, float]:
    """Largest and smallest singular value; of large matrices by a guess from their entries."""
    if min(matrix.shape) <= _SMALL and matrix.size <= _ENTRIES:
        strengths = np.linalg.svd(matrix, compute_uv=False)
        return float(strengths[0]), float(strengths[-1])
    largest = _rms(matrix) * (math.sqrt(matrix.shape[0]) + math.sqrt(matrix.shape[1]))
    return largest, largest / _SPREAD


def _rms(matrix: FloatArray) -> float:
    """Of entries, of which some are looked at."""
    some = matrix.ravel()[:: max(1, matrix.size // _ENTRIES)]
    return _norm(some) / math.sqrt(len(some))


def _norm(array: FloatArray) -> float:
    """The length of a vector whose squares may overflow or vanish."""
    largest = float(np.max(np.abs(array), initial=0.0))
    return largest * float(np.linalg.norm(array / largest)) if largest > 0 else 0.0


def _probe(size: int) -> FloatArray:
    """A direction without any symmetry, of length 1."""
    probe = 0.5 + np.arange(1, size + 1) * _GOLDEN % 1.0
    return probe / np.linalg.norm(probe)
