"""When a value that is known at any time has first fallen to a level."""

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq

_SMALLEST = float(np.finfo(np.float64).tiny)
_MOST_DOUBLINGS = 200  # 1e60 time constants of the fastest motion
_FINE = 32  # times in each doubling where the value may rise again
_EARLIEST = -10  # the first doubling that is looked at finely

Values = Callable[[np.ndarray], np.ndarray]


def first_below(values: Values, level: float, fastest_rate: float, *, falls: bool) -> float | None:
    """First time at which a value is at most the level; None where it never is.

    Args:
        values: at ascending times.
        level: positive.
        fastest_rate: of all motion, which sets the first time that is looked at.
        falls: whether the value never rises; otherwise dips shorter than a fiftieth of their time may be missed.
    """
    if float(values(np.zeros(1))[0]) <= level:
        return 0.0
    if fastest_rate <= 0:
        return None
    per_doubling, first = (1, 0) if falls else (_FINE, _EARLIEST)
    before, still = 0.0, float(values(np.zeros(1))[0])
    for doubling in range(first, _MOST_DOUBLINGS):
        times = 2.0 ** (doubling + np.arange(1, per_doubling + 1) / per_doubling) / fastest_rate
        found = values(times)
        below = np.flatnonzero(found <= level)
        if len(below):
            earlier = times[below[0] - 1] if below[0] else before
            return _crossing(values, level, float(earlier), float(times[below[0]]))
        if not falls and found[-1] == still:  # at its end
            return None
        before, still = float(times[-1]), float(found[-1])
    return None


def _crossing(values: Values, level: float, before: float, after: float) -> float:
    """Where a value falls to a level; its logarithm is nearly straight where decay is exponential."""

    def above(time: float) -> float:
        return math.log(max(float(values(np.array([time]))[0]), _SMALLEST)) - math.log(level)

    return float(brentq(above, before, after, xtol=_SMALLEST, rtol=1e-14, maxiter=1000))
