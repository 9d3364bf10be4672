"""Changes of the Gram matrices of both layers since time 0, without cancellation where the changes are small.

tau d(w2 w2^T)/dt = -(E W^T + W E^T) and tau d(w1^T w1)/dt = -(E^T W + W^T E) with the error E = W - sigma_yx. The
changes are integrals of these rates, and not differences of nearly equal matrices.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.chebyshev import Interval, coefficients, means
from lindyn_service.dynamics.closed_form import ClosedForm
from lindyn_service.dynamics.tasks import EPS

_DEGREE = 24
_MAX_INITIAL_LENGTH = 0.75  # of intervals before they are halved, in the logarithm of time
_MIN_LENGTH = 1e-6  # rates are constant up to rounding on shorter intervals
_TOLERANCE = 32 * EPS  # of the last Chebyshev coefficients, relative to the rates
_LAST_COEFFICIENTS = coefficients(_DEGREE, np.arange(_DEGREE - 3.0, _DEGREE))

_Changes = tuple[Float[np.ndarray, "time out out"], Float[np.ndarray, "time in in"]]


def gram_changes(solution: ClosedForm, times: Float[np.ndarray, " time"]) -> _Changes:
    """Changes of w2 w2^T and w1^T w1 since time 0, in the singular bases of the task.

    Args:
        solution: exact solution on white inputs.
        times: ascending, non-negative, in units of the time constant.

    Returns:
        Changes of u^T w2 w2^T u and of v^T w1^T w1 v since time 0.

    Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapter 19: integrals of Chebyshev
    interpolants.
    """
    n_out, n_in = len(solution.modes.u), len(solution.modes.v)
    changes = np.zeros((len(times), n_out**2 + n_in**2))
    total = np.zeros(n_out**2 + n_in**2)
    last, rate = float(times[-1]), 2 * float(solution.modes.kappa[0]) + solution.initial_size
    unit = 1 / rate if rate > 0 else 0.0
    pending = _intervals(unit, last) if last > 0 and unit > 0 else []
    while pending:
        interval = pending.pop(0)
        rates = _rates(solution, interval.times)
        if not _is_resolved(interval, rates, total):
            middle = interval.middle
            pending[:0] = [
                Interval(a, b, unit, _DEGREE) for a, b in ((interval.first, middle), (middle, interval.last))
            ]
            continue
        averages = means(interval, rates)
        inside = np.flatnonzero((times > interval.first) & (times <= interval.last))
        elapsed = times[inside] - interval.first
        changes[inside] = total + elapsed[:, None] * (interval.weights(times[inside]) @ averages)
        total = total + (interval.last - interval.first) * averages[-1]
        if not np.any(rates[-1]):
            changes[times > interval.last] = total  # all rates have underflowed to 0
            break
    out, into = changes[:, : n_out**2], changes[:, n_out**2 :]
    return out.reshape(-1, n_out, n_out), into.reshape(-1, n_in, n_in)


def _intervals(unit: float, last: float) -> list[Interval]:
    """Intervals of equal lengths in the logarithm of time, from time 0."""
    first_log, last_log = np.log(unit), np.log(last + unit)
    count = max(1, int(np.ceil((last_log - first_log) / _MAX_INITIAL_LENGTH)))
    inner = np.exp(first_log + (last_log - first_log) * np.arange(1, count) / count) - unit
    edges = np.concatenate([[0.0], inner, [last]])
    return [Interval(float(a), float(b), unit, _DEGREE) for a, b in pairwise(edges)]


def _rates(solution: ClosedForm, times: Float[np.ndarray, " node"]) -> Float[np.ndarray, "node entry"]:
    """Time derivatives of both Gram matrices as flat vectors."""
    rates: list[np.ndarray] = []
    for batch, factors in solution.batches(times):
        function = factors.out @ factors.into.transpose(0, 2, 1)
        error = solution.errors(times[batch], function)
        out, into = error @ function.transpose(0, 2, 1), error.transpose(0, 2, 1) @ function
        both = [-(half + half.transpose(0, 2, 1)).reshape(len(half), -1) for half in (out, into)]
        rates.append(np.concatenate(both, axis=1))
    return np.concatenate(rates)


def _is_resolved(
    interval: Interval, rates: Float[np.ndarray, "node entry"], total: Float[np.ndarray, " entry"]
) -> bool:
    """Whether the truncation error of the polynomial is at rounding level, relative to the rates or the total change.

    The smallest rates of the interval count, so that the change is accurate also at times before the rates are large.
    """
    truncation_error = float(np.linalg.norm(_LAST_COEFFICIENTS @ rates, axis=1).max())
    size = float(np.linalg.norm(rates, axis=1).min())
    tolerance = max(_TOLERANCE * size, EPS * float(np.linalg.norm(total)) / (interval.last - interval.first))
    return truncation_error <= tolerance or interval.length < _MIN_LENGTH
