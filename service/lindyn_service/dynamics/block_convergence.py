"""Times at which the excess losses of many networks fall to a tolerance."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from lindyn_service.dynamics.block_solution import BlockSolution

_DOUBLINGS = 8  # of the time, evaluated together
_MAX_DOUBLINGS = 200  # as in `convergence`
_ROUNDINGS = 1e-14  # relative accuracy of the times
_SURELY = 1e-6  # relative distance of the limit of a loss from the tolerance, above which it decides
_SMALLEST = float(np.finfo(np.float64).tiny)

_PerNetwork = Float[np.ndarray, " network"]
_Some = Float[np.ndarray, " some"]


def convergence_times(solution: BlockSolution, tolerance: float) -> tuple[_PerNetwork, Bool[np.ndarray, " network"]]:
    """First times at which the excess losses on white inputs are at most the tolerance.

    Args:
        solution: exact solutions of the networks.
        tolerance: excess loss.

    Returns:
        Times in units of the time constants, 0 if the initial loss is at most the tolerance, NaN if the loss stays
        above; and whether they are as accurate as those of `convergence.convergence_time`.

    Source: Domine et al. (2025), arXiv 2409.14623, exact solution; Chandrupatla (1997), 10.1016/S0965-9978(96)00051-8,
    for the roots.
    """
    terms = solution.start
    s, k = terms.modes.one.s, terms.n_learned
    left = 0.5 * float(np.sum(s[k:] ** 2))
    times, good = np.full(len(solution), np.nan), np.ones(len(solution), dtype=bool)
    if left > tolerance * (1 + _SURELY):
        first, good = solution.excess_losses(np.zeros((1, 1)))
        return np.where(first[:, 0] <= tolerance, 0.0, times), good[:, 0]
    if left > tolerance * (1 - _SURELY):
        return times, ~good
    search = _Search(solution, tolerance, good)
    before, after = search.brackets()
    found = good & np.isfinite(after)
    times[found] = 0.0
    open_ = np.flatnonzero(found & (after > 0))
    times[open_] = search.roots(open_, before[open_], after[open_])
    return times, good & found


@dataclass(frozen=True)
class _Search:
    """Losses relative to a tolerance, and whether they have been accurate at all times so far."""

    solution: BlockSolution
    tolerance: float
    good: Bool[np.ndarray, " network"]

    def above(
        self, which: Int[np.ndarray, " some"], times: Float[np.ndarray, "some time"]
    ) -> Float[np.ndarray, "some time"]:
        """Logarithms of the ratios of the losses to the tolerance; NaN if a loss is not accurate."""
        losses, good = self.solution[which].excess_losses(times)
        logs = np.log(np.maximum(losses, _SMALLEST)) - np.log(max(self.tolerance, _SMALLEST))
        return np.where(good, logs, np.nan)

    def brackets(self) -> tuple[_PerNetwork, _PerNetwork]:
        """Two successive times that bracket the crossing of the tolerance, among time 0 and its doublings."""
        n = len(self.solution)
        lower, f = self.solution.start.lower, self.solution.start.modes.kappa[:, 0]
        first = 1 / (f + np.einsum("brp,brp->b", lower, lower))
        before, after = np.zeros(n), np.full(n, np.nan)
        which, times = np.arange(n), np.concatenate([np.zeros((n, 1)), first[:, None]], axis=1)
        doublings = 0
        while len(which) and doublings <= _MAX_DOUBLINGS:
            logs = self.above(which, times[which])
            self.good[which[np.any(np.isnan(logs), axis=1)]] = False
            passed = logs <= 0
            there = np.flatnonzero(np.any(passed, axis=1) & self.good[which])
            at = np.argmax(passed[there], axis=1)
            after[which[there]] = times[which[there], at]
            before[which[there]] = times[which[there], np.maximum(at - 1, 0)]
            which = which[~np.any(passed, axis=1) & self.good[which]]
            doublings += _DOUBLINGS
            times = times[:, -1:] * 2.0 ** np.arange(_DOUBLINGS)
        return before, after

    def roots(self, which: Int[np.ndarray, " some"], before: _Some, after: _Some) -> _Some:
        """Times at which the losses cross the tolerance, by inverse quadratic interpolation if safe, else bisection."""
        both = self.above(which, np.stack([before, after], axis=1))
        a, b, fa, fb = before, after, both[:, 0], both[:, 1]
        c, fc, t = a, fa, np.full(len(which), 0.5)
        best, smallest, open_ = a, np.zeros(len(which)), np.ones(len(which), dtype=bool)
        while np.any(open_):
            x = a + t * (b - a)
            fx = self.above(which, x[:, None])[:, 0]
            same = np.sign(fx) == np.sign(fa)
            c, fc = np.where(same, a, b), np.where(same, fa, fb)
            b, fb = np.where(same, b, a), np.where(same, fb, fa)
            a, fa = x, fx
            best = np.where(np.abs(fa) < np.abs(fb), a, b)
            smallest = _ROUNDINGS * np.abs(best) + _SMALLEST
            open_ = (np.abs(b - a) > 2 * smallest) & (fa != 0) & np.isfinite(fa)
            edge = np.minimum(0.5, smallest / np.maximum(np.abs(b - a), _SMALLEST))
            t = np.clip(_step((a, fa), (b, fb), (c, fc)), edge, 1 - edge)
        self.good[which[np.isnan(fa)]] = False
        return best


_Point = tuple[_Some, _Some]
"""Times and values at these times."""


def _step(a: _Point, b: _Point, c: _Point) -> _Some:
    """Fraction of the way from a to b at which the function is evaluated next."""
    with np.errstate(divide="ignore", invalid="ignore"):
        xi = (a[0] - b[0]) / (c[0] - b[0])
        phi = (a[1] - b[1]) / (c[1] - b[1])
        is_safe = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
        ratio = (c[0] - a[0]) / (b[0] - a[0])
        t = a[1] / (b[1] - a[1]) * c[1] / (b[1] - c[1]) + ratio * a[1] / (c[1] - a[1]) * b[1] / (c[1] - b[1])
    return np.where(is_safe & np.isfinite(t), t, 0.5)
