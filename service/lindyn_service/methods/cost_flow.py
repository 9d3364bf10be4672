"""Estimates of the cost of integrating the gradient flow: number of coefficients of its series, and cost of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log, log1p

import numpy as np

from lindyn_service.dynamics.flow import order_of
from lindyn_service.methods.cost import MICROSECOND, Cost, numbers_of, observed

_LOOSER = (1.0, 30.0)  # tolerances of the two integrations, in units of rtol
_AT_START = 3  # steps until the step size has adapted
_ACCURATE = 0.8  # steps per time constant of the slowest learned mode, where accuracy bounds the step
_STABLE = 2.5  # coefficients per time constant of the fastest mode, where stability bounds the step
_SLOWEST = 1 / 16  # least late rate, relative to the fastest: modes without strength decay by the weights of others
_MOVING = 40.0  # time constants in which the residual falls to a rounding error of the weights
_GIVEN_UP = 20_000.0, 1_000_000.0  # evaluations at which an integration without progress, or any integration, fails
_HUGE, _TINY = 1e100, 1e-100


@dataclass(frozen=True)
class Scales:
    """Magnitudes of the weights and of the task that determine the rates of learning.

    Attributes:
        strengths: typical factor by which each layer stretches vectors.
        correlation: largest singular value of sigma_yx.
        best: largest and smallest singular value of the best network function.
        inputs: largest and smallest variance of the inputs.
    """

    strengths: np.ndarray
    correlation: float
    best: tuple[float, float]
    inputs: tuple[float, float]


def rates(scales: Scales, span: float) -> tuple[float, float]:
    """Estimate the fastest and the slowest rate of learning, in units of 1 / tau.

    Args:
        scales: magnitudes of the weights and of the task.
        span: last time, in units of tau.

    Returns:
        The fastest rate up to the last time, and the slowest late rate, which is 0 if nothing is learned by then.
    """
    if len(scales.strengths) == 1:
        return scales.inputs
    logs = np.log(np.clip(scales.strengths, _TINY, _HUGE))
    total, n_layers, inputs = float(np.sum(logs)), len(logs), scales.inputs[0]
    first = 2 * inputs * _others(2 * logs)
    residual = max(scales.correlation, inputs * _exp(total))
    first = max(first, residual * (n_layers - 1) * _exp(total - float(np.sum(np.sort(logs)[:2]))))
    if span < _escape(total, n_layers, scales):
        return first, 0.0
    excess = np.exp(2 * logs) - np.exp(2 * float(np.min(logs)))
    fast, slow = (c * _settled(excess, best) for c, best in zip(scales.inputs, scales.best, strict=True))
    fastest = max(first, fast)
    return fastest, min(max(slow, _SLOWEST * fastest), fastest)


def evaluations(fast: float, slow: float, span: float, rtol: float) -> float:
    """Estimate the number of coefficients of one integration.

    Accuracy bounds the step while the weights move, and stability after that.

    Args:
        fast: fastest rate.
        slow: slowest late rate.
        span: last time, in units of the time constant.
        rtol: relative tolerance of a step.
    """
    phases = min(fast * span, _HUGE)
    steps = _AT_START + _ACCURATE * (min(slow * span, _MOVING) + 2.5 * log1p(phases))
    needed = order_of(rtol) * steps + _STABLE * phases
    first, largest = _GIVEN_UP
    return needed if needed <= first + largest else min(first + largest, first * needed / (needed - largest))


def flow_cost(
    dims: Sequence[int],
    n_times: int,
    quantities: Sequence[str],
    n_samples: int,
    scales: Scales,
    span: float,
    rtol: float,
    *,
    decay: float = 0.0,
    estimate: bool = True,
) -> Cost:
    """Estimate the cost of both integrations and of the quantities.

    Args:
        dims: widths.
        n_times: number of times.
        quantities: requested quantities.
        n_samples: number of samples of the task; the input width if there are none.
        scales: magnitudes of the weights and of the task.
        span: last time, in units of the time constant.
        rtol: relative tolerance of a step.
        decay: largest weight decay of any layer.
        estimate: whether quantities are evaluated from both integrations, to estimate errors.
    """
    fast, slow = rates(scales, span)
    fast, slow = fast + 2 * decay, max(slow, decay)
    total, memory = 0.0, 0
    for looser in _LOOSER:
        step = min(1e-2, looser * rtol)
        order = order_of(step)
        total += evaluations(fast, slow, span, step) * evaluated(dims, order) + n_times * _within_step(dims, order)
        memory += (order + 1) * _numbers_of_coefficients(dims)
    each = observed(dims, quantities, n_samples) + 30 * sum(a * b for a, b in pairwise(dims))
    total += (2 if estimate else 1) * n_times * each
    once = (2000 + 200 * len(dims) + 100 * len(quantities)) * MICROSECOND
    work = 4 * sum(a * b for a, b in pairwise(dims)) + memory + 2 * 2**18
    return Cost(once + total, n_times * (1 + numbers_of(dims, quantities, n_samples)), work)


def evaluated(dims: Sequence[int], order: int) -> float:
    """Operations of one coefficient of all layers: products of series forward, backward and for the velocities."""
    calls = (3 + 10 * (len(dims) - 1)) * MICROSECOND
    arithmetic = 1.5 * order * dims[0] * sum(a * b for a, b in pairwise(dims[1:]))
    return calls + arithmetic + 60 * _numbers(dims)


def _within_step(dims: Sequence[int], order: int) -> float:
    """Operations of one requested time inside a step."""
    return 0.5 * MICROSECOND + 10 * order * _numbers(dims)


def _numbers_of_coefficients(dims: Sequence[int]) -> int:
    """Numbers of one coefficient in all series: layers, products and errors, in the orders that products need."""
    return sum(2 * a * b + 4 * b * dims[0] for a, b in pairwise(dims))


def _numbers(dims: Sequence[int]) -> int:
    return sum(a * b for a, b in pairwise(dims)) + dims[0] * dims[-1]


def _others(doubled: np.ndarray) -> float:
    """Sum over the layers of the squared product of all other layers, from the logarithms of the squares."""
    return float(np.sum(np.exp(np.clip(np.sum(doubled) - doubled, -230.0, 230.0))))


def _escape(total: float, n_layers: int, scales: Scales) -> float:
    """Estimate the time at which small weights have learned the strongest mode."""
    best, correlation = max(scales.best[0], _TINY), max(scales.correlation, _TINY)
    if total >= log(best):
        return 0.0
    if n_layers == 2:
        return (log(best) - total) / (2 * correlation)
    return 1 / max((n_layers - 2) * correlation * _exp(total * (1 - 2 / n_layers)), _TINY)


def _settled(excess: np.ndarray, best: float) -> float:
    """Rate at which the error of a mode decays late.

    The squares of its layers differ by `excess`, as at the start, and the product of the layers is `best`.
    """
    target = 2 * log(max(best, _TINY))
    low, high = target / len(excess) - 2 * log(_HUGE), target / len(excess) + 1e-9
    for _ in range(14):
        middle = (low + high) / 2
        above = float(np.sum(np.log(np.exp(middle) + excess))) > target
        low, high = (low, middle) if above else (middle, high)
    return _others(np.log(np.exp(high) + excess))


def _exp(exponent: float) -> float:
    return exp(min(max(exponent, -230.0), 230.0))
