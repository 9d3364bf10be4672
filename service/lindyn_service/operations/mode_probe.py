"""Quick test of whether the modes of a network learn alone, by probe vectors, in less than a millisecond.

Bases in which the task, the inputs and all layers are diagonal exist only if certain products of these commute or are
symmetric, whatever the basis. Each of these identities is checked for one vector.
"""

from collections.abc import Callable

import numpy as np

from lindyn.wire.array import FloatArray
from lindyn.wire.network import BalancedNetwork, Network, WeightsNetwork, WideNetwork
from lindyn.wire.task import CorrelationTask, DataTask, SemanticTask, Task
from lindyn_service.dynamics import tasks
from lindyn_service.dynamics.learning_rates import LearningRates
from lindyn_service.operations.time_scales import probe_vector

_RTOL = 1e-6  # relative deviation up to which two images count as equal
_MAX_PRODUCTS = 2**20  # multiplications to compute the correlation of samples
_MAX_LEVELS = 6  # of a semantic task whose moments are computed

_Map = Callable[[FloatArray], FloatArray]


def learns_mode_wise(network: Network, task: Task, rates: LearningRates | None) -> bool:
    """Return whether the modes of the plain flow probably learn alone."""
    moments = _moments(task)
    if moments is None:
        return False
    sigma_yx, see = moments
    square: _Map = lambda x: sigma_yx.T @ (sigma_yx @ x)  # noqa: E731
    start = probe_vector(sigma_yx.shape[1])
    if not _same(square(see(start)), see(square(start))):
        return False
    if isinstance(network, BalancedNetwork):
        return network.aligned
    if isinstance(network, WideNetwork):
        return network.start == "zero"
    if not isinstance(network, WeightsNetwork):
        return False
    layers = network.weights if rates is None else rates.plain_weights(tuple(network.weights))
    return _are_diagonal(list(layers), sigma_yx, square, see)


def _are_diagonal(layers: list[FloatArray], sigma_yx: FloatArray, square: _Map, see: _Map) -> bool:
    """Return whether the layers pass all tests of being diagonal in the modes of the task.

    Args:
        layers: layers of the plain flow, first layer first.
        sigma_yx: input-output correlation.
        square: map of a vector by sigma_yx^T sigma_yx.
        see: map of a vector by sigma_xx.
    """
    into, out = probe_vector(sigma_yx.shape[1]), probe_vector(sigma_yx.shape[0])
    for number in range(1, len(layers) + 1):
        gram = _gram(layers[:number])
        if not (_same(square(gram(into)), gram(square(into))) and _same(see(gram(into)), gram(see(into)))):
            return False
    last, first = _gram([w.T for w in layers[::-1]][:1]), _gram(layers[:1])
    if not _same(sigma_yx @ (sigma_yx.T @ last(out)), last(sigma_yx @ (sigma_yx.T @ out))):
        return False
    seen_last: _Map = lambda x: sigma_yx.T @ last(sigma_yx @ x)  # noqa: E731
    if not _same(seen_last(first(into)), first(seen_last(into))):
        return False
    forward, backward = _product(layers), _product([w.T for w in layers[::-1]])
    return _same(sigma_yx.T @ forward(into), backward(sigma_yx @ into)) and _same(
        sigma_yx @ backward(out), forward(sigma_yx.T @ out)
    )


def _product(layers: list[FloatArray]) -> _Map:
    def image(x: FloatArray) -> FloatArray:
        for w in layers:
            x = w @ x
        return x

    return image


def _gram(layers: list[FloatArray]) -> _Map:
    forward, backward = _product(layers), _product([w.T for w in layers[::-1]])
    return lambda x: backward(forward(x))


def _moments(task: Task) -> tuple[FloatArray, _Map] | None:
    """Return sigma_yx, and the map of a vector by sigma_xx; None for tasks whose moments take long to compute."""
    match task:
        case CorrelationTask(sigma_yx=sigma_yx, sigma_xx=sigma_xx):
            return sigma_yx, (lambda x: x) if sigma_xx is None else (lambda x: sigma_xx @ x)
        case DataTask(inputs=inputs, targets=targets, whiten=False) if inputs.size * targets.shape[1] <= _MAX_PRODUCTS:
            return targets.T @ inputs / len(inputs), lambda x: inputs.T @ (inputs @ x) / len(inputs)
        case SemanticTask(levels=levels) if levels <= _MAX_LEVELS:
            return tasks.semantic(levels).sigma_yx, lambda x: x / 2**levels
        case _:
            return None


def _same(first: FloatArray, second: FloatArray) -> bool:
    return float(np.linalg.norm(first - second)) <= _RTOL * float(np.linalg.norm(first) + np.linalg.norm(second))
