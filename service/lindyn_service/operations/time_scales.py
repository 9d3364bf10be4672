"""Estimates of the scales that set the speed of learning, from a request, in less than a millisecond."""

import math
from itertools import pairwise

import numpy as np

from lindyn.wire.array import FloatArray
from lindyn.wire.network import BalancedNetwork, Network, RandomNetwork, WeightsNetwork, WideNetwork
from lindyn.wire.task import CorrelationTask, DataTask, RegressionTask, SemanticTask, SpectrumTask, Task
from lindyn_service.dynamics.learning_rates import LearningRates
from lindyn_service.dynamics.random_weights import variance
from lindyn_service.methods.cost_flow import Scales

_MAX_ENTRIES = 2**14  # of a matrix that are sampled
_SMALL_WIDTH = 24  # up to which matrices are decomposed
_TYPICAL_SPREAD = 8.0  # assumed ratio of the largest to the smallest singular value of larger matrices
_MEAN_LOG_GAIN = -0.6  # mean logarithm of the factor by which a random layer of width 1 scales the norm of vectors
_PROBE_RTOL = 1e-6  # relative deviation up to which a probe counts as balanced or isotropic
_GOLDEN_FRACTION = 0.6180339887498949  # fractional part of the golden ratio, whose multiples are evenly distributed

_Extremes = tuple[float, float]
"""The largest and the smallest of some values."""


def estimate(network: Network, task: Task, rates: LearningRates | None = None) -> Scales:
    """Estimate the scales of a network, in the plain flow of its learning rates, and of its task."""
    n_in, n_out = network.dims[0], network.dims[-1]
    correlation, best, inputs = _task_scales(task, n_in, n_out)
    gains = _layer_gains(network)
    return Scales(gains if rates is None else gains / np.sqrt(rates.relative), correlation, best, inputs)


def is_balanced(network: Network, rates: LearningRates | None = None) -> bool:
    """Return whether two layers are balanced in their plain flow, or learn as such, judged by one probe vector.

    W2^T W2 - W1 W1^T is a multiple of the identity only if it maps the probe to a multiple of the probe.
    """
    if not isinstance(network, WeightsNetwork):
        if isinstance(network, WideNetwork):
            return True
        return isinstance(network, BalancedNetwork) and (rates is None or rates.are_equal)
    w1, w2 = network.weights if rates is None else rates.plain_weights(tuple(network.weights))
    probe = probe_vector(len(w1))
    image = (w2 @ probe) @ w2 - w1 @ (probe @ w1)
    residual = image - (image @ probe) * probe
    size = float(np.linalg.norm(w2 @ probe) ** 2 + np.linalg.norm(probe @ w1) ** 2)
    return float(np.linalg.norm(residual)) <= _PROBE_RTOL * size


def is_white(task: Task) -> bool:
    """Return whether the inputs are white up to a factor, judged by one probe vector; see `is_balanced`."""
    match task:
        case DataTask(inputs=inputs, whiten=False):
            probe = probe_vector(inputs.shape[1])
            image = (inputs @ probe) @ inputs
        case CorrelationTask(sigma_xx=sigma_xx) if sigma_xx is not None:
            probe = probe_vector(len(sigma_xx))
            image = sigma_xx @ probe
        case _:
            return True
    residual = image - (image @ probe) * probe
    return float(np.linalg.norm(residual)) <= _PROBE_RTOL * float(np.linalg.norm(image))


def _layer_gains(network: Network) -> FloatArray:
    """Estimate the factor by which each layer scales the norm of vectors."""
    match network:
        case BalancedNetwork(dims=(n_in, n_hidden, n_out), lam=lam, scale=scale):
            # the gains g1, g2 follow from g1 g2 = largest singular value of the network function, g2^2 - g1^2 = lambda
            function_gain = scale**2 * math.sqrt(n_hidden * max(n_in, n_out))
            larger = math.sqrt(math.hypot(function_gain, lam / 2) + abs(lam) / 2)
            smaller = function_gain / larger
            return np.array((smaller, larger) if lam >= 0 else (larger, smaller))
        case RandomNetwork(dims=dims, scheme=scheme, gains=gains) | WideNetwork(dims=dims, scheme=scheme, gains=gains):
            layers = zip(pairwise(dims), gains, strict=True)
            deviations = [math.sqrt(variance(scheme, *pair, gain)) for pair, gain in layers]
        case _:
            deviations = [_rms(w) for w in network.weights]
    if len(deviations) == 2:
        # the largest singular value of a random layer grows like the square root of its larger width
        return np.array(
            [deviation * max(pair) ** 0.5 for deviation, pair in zip(deviations, pairwise(network.dims), strict=True)]
        )
    # Each width occurs once in the squared norm of a product of random layers, hence the fourth root of each pair. The
    # typical norm is below the root mean square, since the mean of a logarithm is below the logarithm of the mean.
    is_random = isinstance(network, RandomNetwork)
    typical = [
        math.exp(_MEAN_LOG_GAIN / min(a, b)) if is_random or a * b > 1 else 1.0 for a, b in pairwise(network.dims)
    ]
    widths = [(a * b) ** 0.25 for a, b in pairwise(network.dims)]
    return np.array(deviations) * widths * typical


def _task_scales(task: Task, n_in: int, n_out: int) -> tuple[float, _Extremes, _Extremes]:
    """Estimate the scales of a task.

    Returns:
        The largest singular value of sigma_yx, the extreme singular values of the best network function, and the
        extreme eigenvalues of sigma_xx.
    """
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
            return _moment_scales(sigma_yx, sigma_xx)
        case CorrelationTask(sigma_yx=sigma_yx):
            largest, smallest = _extreme_singular_values(sigma_yx)
            return largest, (largest, smallest), white
        case DataTask(inputs=inputs, targets=targets, whiten=whiten):
            return _data_scales(inputs, targets, whiten=whiten)


def _data_scales(inputs: FloatArray, targets: FloatArray, *, whiten: bool) -> tuple[float, _Extremes, _Extremes]:
    """Estimate the scales of a task from a subset of its samples; see `_task_scales`."""
    columns = inputs.shape[1] + targets.shape[1]
    step = max(1, len(inputs) // max(4 * min(_SMALL_WIDTH, inputs.shape[1]), 2 * _MAX_ENTRIES // columns))
    x, y = inputs[::step], targets[::step]
    if inputs.shape[1] <= _SMALL_WIDTH and len(x) >= inputs.shape[1]:
        yx, xx = y.T @ x / len(x), x.T @ x / len(x)
        if not whiten:
            return _moment_scales(yx, xx)
        variances, axes = np.linalg.eigh(xx)
        deviations = np.sqrt(np.maximum(variances, 1e-12 * variances[-1] + 1e-300))
        largest, smallest = _extreme_singular_values(yx @ axes / deviations)
        return largest, (largest, smallest), (1.0, 1.0)
    size, target = _norm(x) / math.sqrt(len(x)), _norm(y) / math.sqrt(len(x))
    if whiten:
        return target, (target, target / _TYPICAL_SPREAD), (1.0, 1.0)
    correlation = _norm((y @ probe_vector(y.shape[1])) @ x) / len(x)
    best = correlation / size**2
    return correlation, (best, best / _TYPICAL_SPREAD), (size**2, size**2 / _TYPICAL_SPREAD)


def _moment_scales(sigma_yx: FloatArray, sigma_xx: FloatArray) -> tuple[float, _Extremes, _Extremes]:
    """Estimate the scales of a task from its second moments; see `_task_scales`."""
    correlation, smallest = _extreme_singular_values(sigma_yx)
    if len(sigma_xx) > _SMALL_WIDTH:
        largest = _extreme_singular_values(sigma_xx)[0]
        typical = _rms(np.diagonal(sigma_xx)[None]) or largest
        return correlation, (correlation / typical, smallest / typical), (largest, largest / _TYPICAL_SPREAD)
    variances, axes = np.linalg.eigh((sigma_xx + sigma_xx.T) / 2)
    nonzero = variances > 1e-12 * variances[-1]
    if not np.any(nonzero):
        return correlation, (correlation, smallest), (1.0, 1.0)
    along_axes, variances = sigma_yx @ axes[:, nonzero], variances[nonzero]
    return correlation, _extreme_singular_values(along_axes / variances), (float(variances[-1]), float(variances[0]))


def _extreme_singular_values(matrix: FloatArray) -> _Extremes:
    """Return the largest and the smallest singular value; those of large matrices are guessed from their entries."""
    if min(matrix.shape) <= _SMALL_WIDTH and matrix.size <= _MAX_ENTRIES:
        singular_values = np.linalg.svd(matrix, compute_uv=False)
        return float(singular_values[0]), float(singular_values[-1])
    largest = _rms(matrix) * (math.sqrt(matrix.shape[0]) + math.sqrt(matrix.shape[1]))
    return largest, largest / _TYPICAL_SPREAD


def _rms(matrix: FloatArray) -> float:
    """Return the root mean square of the entries, estimated from a sample of them."""
    sample = matrix.ravel()[:: max(1, matrix.size // _MAX_ENTRIES)]
    return _norm(sample) / math.sqrt(len(sample))


def _norm(array: FloatArray) -> float:
    """Return the norm of a vector without overflow or underflow of its squares."""
    largest = float(np.max(np.abs(array), initial=0.0))
    return largest * float(np.linalg.norm(array / largest)) if largest > 0 else 0.0


def probe_vector(size: int) -> FloatArray:
    """Return a deterministic unit vector without symmetry, with entries of a low-discrepancy sequence."""
    probe = 0.5 + np.arange(1, size + 1) * _GOLDEN_FRACTION % 1.0
    return probe / np.linalg.norm(probe)
