"""How far the Gram matrices of both layers have moved since time 0, where that is little beside themselves.

tau d(w2 w2^T)/dt = -(E W^T + W E^T) and tau d(w1^T w1)/dt = -(E^T W + W^T E) with the error E = W - sigma_yx, of which
small ones keep their digits: integrals of these are no differences of nearly equal matrices.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.chebyshev import Interval, coefficients, means
from lindyn_service.dynamics.closed_form import ClosedForm
from lindyn_service.dynamics.tasks import EPS

_DEGREE = 24
_LENGTH = 0.75  # of the intervals, in the logarithm of time
_SHORTEST = 1e-6  # length, below which nothing smooth is left to resolve
_DECAYED = 32 * EPS  # of the last coefficients, relative to the rates
_LAST_ONES = coefficients(_DEGREE, np.arange(_DEGREE - 3.0, _DEGREE))

_Changes = tuple[Float[np.ndarray, "time out out"], Float[np.ndarray, "time in in"]]


def gram_changes(solution: ClosedForm, times: Float[np.ndarray, " time"]) -> _Changes:
    """Integrate the rates of w2 w2^T and w1^T w1, in the singular bases of the task.

    Args:
        solution: of a problem on white inputs.
        times: ascending, non-negative, in units of the time constant.

    Returns:
        u^T w2 w2^T u and v^T w1^T w1 v, less those at time 0.

    Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapter 19: integrals of Chebyshev
    interpolants.
    """
    n_out, n_in = len(solution.modes.u), len(solution.modes.v)
    found = np.zeros((len(times), n_out**2 + n_in**2))
    so_far = np.zeros(n_out**2 + n_in**2)
    last, rate = float(times[-1]), 2 * float(solution.modes.kappa[0]) + solution.initial_size
    unit = 1 / rate if rate > 0 else 0.0
    waiting = _intervals(unit, last) if last > 0 and unit > 0 else []
    while waiting:
        interval = waiting.pop(0)
        rates = _rates(solution, interval.times)
        if not _is_resolved(interval, rates, so_far):
            middle = interval.middle
            waiting[:0] = [
                Interval(a, b, unit, _DEGREE) for a, b in ((interval.first, middle), (middle, interval.last))
            ]
            continue
        averages = means(interval, rates)
        inside = np.flatnonzero((times > interval.first) & (times <= interval.last))
        passed = times[inside] - interval.first
        found[inside] = so_far + passed[:, None] * (interval.weights(times[inside]) @ averages)
        so_far = so_far + (interval.last - interval.first) * averages[-1]
        if not np.any(rates[-1]):
            found[times > interval.last] = so_far  # nothing moves any more
            break
    out, into = found[:, : n_out**2], found[:, n_out**2 :]
    return out.reshape(-1, n_out, n_out), into.reshape(-1, n_in, n_in)


def _intervals(unit: float, last: float) -> list[Interval]:
    """Of like lengths, from time 0 on."""
    first_log, last_log = np.log(unit), np.log(last + unit)
    count = max(1, int(np.ceil((last_log - first_log) / _LENGTH)))
    inner = np.exp(first_log + (last_log - first_log) * np.arange(1, count) / count) - unit
    edges = np.concatenate([[0.0], inner, [last]])
    return [Interval(float(a), float(b), unit, _DEGREE) for a, b in pairwise(edges)]


def _rates(solution: ClosedForm, times: Float[np.ndarray, " node"]) -> Float[np.ndarray, "node entry"]:
    """Time derivatives of both Gram matrices, flat."""
    found: list[np.ndarray] = []
    for part, factors in solution.batches(times):
        function = factors.out @ factors.into.transpose(0, 2, 1)
        error = solution.errors(times[part], function)
        out, into = error @ function.transpose(0, 2, 1), error.transpose(0, 2, 1) @ function
        both = [-(half + half.transpose(0, 2, 1)).reshape(len(half), -1) for half in (out, into)]
        found.append(np.concatenate(both, axis=1))
    return np.concatenate(found)


def _is_resolved(
    interval: Interval, rates: Float[np.ndarray, "node entry"], so_far: Float[np.ndarray, " entry"]
) -> bool:
    """Whether the polynomial leaves out nothing but rounding errors, of the rates or of what they have come to.

    The smallest rates count, since times are asked for where those that follow have not come to anything yet.
    """
    left_out = float(np.linalg.norm(_LAST_ONES @ rates, axis=1).max())
    size = float(np.linalg.norm(rates, axis=1).min())
    enough = max(_DECAYED * size, EPS * float(np.linalg.norm(so_far)) / (interval.last - interval.first))
    return left_out <= enough or interval.length < _SHORTEST
