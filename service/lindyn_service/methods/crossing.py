"""First time at which a function of time falls to a level."""

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq

_SMALLEST = float(np.finfo(np.float64).tiny)
_MAX_DOUBLINGS = 200  # 1e60 time constants of the fastest motion
_TIMES_PER_DOUBLING = 32  # if the function may rise again
_FIRST_DOUBLING = -10  # if the function may rise again: from a thousandth of the shortest time scale

Values = Callable[[np.ndarray], np.ndarray]


def first_below(values: Values, level: float, fastest_rate: float, *, falls: bool) -> float | None:
    """Return the first time at which a function is at most the level, or None if it never is.

    Args:
        values: the function, from ascending times to its values.
        level: positive.
        fastest_rate: fastest rate of the dynamics; its inverse is the time scale of the search.
        falls: whether the function never rises; otherwise dips shorter than a fiftieth of their time may be missed.
    """
    if float(values(np.zeros(1))[0]) <= level:
        return 0.0
    if fastest_rate <= 0:
        return None
    per_doubling, first = (1, 0) if falls else (_TIMES_PER_DOUBLING, _FIRST_DOUBLING)
    before, last_value = 0.0, float(values(np.zeros(1))[0])
    for doubling in range(first, _MAX_DOUBLINGS):
        times = 2.0 ** (doubling + np.arange(1, per_doubling + 1) / per_doubling) / fastest_rate
        heights = values(times)
        below = np.flatnonzero(heights <= level)
        if len(below):
            earlier = times[below[0] - 1] if below[0] else before
            return _crossing(values, level, float(earlier), float(times[below[0]]))
        if not falls and heights[-1] == last_value:  # the function has reached its limit
            return None
        before, last_value = float(times[-1]), float(heights[-1])
    return None


def _crossing(values: Values, level: float, before: float, after: float) -> float:
    """Find the root between two times, of the logarithm, which is nearly linear while the decay is exponential."""

    def above(time: float) -> float:
        return math.log(max(float(values(np.array([time]))[0]), _SMALLEST)) - math.log(level)

    return float(brentq(above, before, after, xtol=_SMALLEST, rtol=1e-14, maxiter=1000))
