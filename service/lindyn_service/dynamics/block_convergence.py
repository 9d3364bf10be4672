"""Convergence times of many networks: the times at which their excess losses reach a tolerance."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from lindyn_service.dynamics.block_solution import BlockSolution

_DOUBLINGS_PER_STEP = 8  # evaluated together
_MAX_DOUBLINGS = 200  # as in `convergence`
_TIME_TOLERANCE = 1e-14  # relative
_LIMIT_TOLERANCE = 1e-6  # a limit of the loss this close to the tolerance, relatively, is left to `convergence`
_SMALLEST = float(np.finfo(np.float64).tiny)

_PerNetwork = Float[np.ndarray, " network"]
_Selected = Float[np.ndarray, " selected"]


def convergence_times(solution: BlockSolution, tolerance: float) -> tuple[_PerNetwork, Bool[np.ndarray, " network"]]:
    """First times at which the excess losses on white inputs are at most the tolerance.

    Args:
        solution: exact solutions of the networks.
        tolerance: in units of the loss.

    Returns:
        Times in units of the time constants, 0 where the initial loss is at most the tolerance, NaN where the loss
        stays above it; and whether each is as accurate as that of `convergence.convergence_time`.

    Source: Domine et al. (2025), arXiv 2409.14623, exact solution; Chandrupatla (1997), 10.1016/S0965-9978(96)00051-8,
    for the roots.
    """
    terms = solution.start
    s, k = terms.modes.one.s, terms.lower.shape[2]
    limit = 0.5 * float(np.sum(s[k:] ** 2))
    times, accurate = np.full(len(solution), np.nan), np.ones(len(solution), dtype=bool)
    if limit > tolerance * (1 + _LIMIT_TOLERANCE):
        first, accurate = solution.excess_losses(np.zeros((1, 1)))
        return np.where(first[:, 0] <= tolerance, 0.0, times), accurate[:, 0]
    if limit > tolerance * (1 - _LIMIT_TOLERANCE):
        return times, ~accurate
    search = _Search(solution, tolerance, accurate)
    before, after = search.brackets()
    is_bracketed = accurate & np.isfinite(after)
    times[is_bracketed] = 0.0
    open_ = np.flatnonzero(is_bracketed & (after > 0))
    times[open_] = search.roots(open_, before[open_], after[open_])
    return times, accurate & is_bracketed


@dataclass(frozen=True)
class _Search:
    """Search for convergence times, with flags of the networks whose losses were accurate at all evaluated times."""

    solution: BlockSolution
    tolerance: float
    accurate: Bool[np.ndarray, " network"]

    def log_ratios(
        self, which: Int[np.ndarray, " selected"], times: Float[np.ndarray, "selected time"]
    ) -> Float[np.ndarray, "selected time"]:
        """Logarithms of loss / tolerance of some networks; NaN where the losses are not accurate."""
        losses, accurate = self.solution[which].excess_losses(times)
        logs = np.log(np.maximum(losses, _SMALLEST)) - np.log(max(self.tolerance, _SMALLEST))
        return np.where(accurate, logs, np.nan)

    def brackets(self) -> tuple[_PerNetwork, _PerNetwork]:
        """Pairs of successive times, from 0 on and then doubled, between which the losses reach the tolerance."""
        n = len(self.solution)
        lower, f = self.solution.start.lower, self.solution.start.modes.kappa[:, 0]
        first = 1 / (f + np.einsum("brp,brp->b", lower, lower))
        before, after = np.zeros(n), np.full(n, np.nan)
        which, times = np.arange(n), np.concatenate([np.zeros((n, 1)), first[:, None]], axis=1)
        doublings = 0
        while len(which) and doublings <= _MAX_DOUBLINGS:
            logs = self.log_ratios(which, times[which])
            self.accurate[which[np.any(np.isnan(logs), axis=1)]] = False
            passed = logs <= 0
            crossed = np.flatnonzero(np.any(passed, axis=1) & self.accurate[which])
            index = np.argmax(passed[crossed], axis=1)
            after[which[crossed]] = times[which[crossed], index]
            before[which[crossed]] = times[which[crossed], np.maximum(index - 1, 0)]
            which = which[~np.any(passed, axis=1) & self.accurate[which]]
            doublings += _DOUBLINGS_PER_STEP
            times = times[:, -1:] * 2.0 ** np.arange(_DOUBLINGS_PER_STEP)
        return before, after

    def roots(self, which: Int[np.ndarray, " selected"], before: _Selected, after: _Selected) -> _Selected:
        """Times at which the losses equal the tolerance, by Chandrupatla's method."""
        both = self.log_ratios(which, np.stack([before, after], axis=1))
        a, b, fa, fb = before, after, both[:, 0], both[:, 1]
        c, fc, t = a, fa, np.full(len(which), 0.5)
        best, resolution, open_ = a, np.zeros(len(which)), np.ones(len(which), dtype=bool)
        while np.any(open_):
            x = a + t * (b - a)
            fx = self.log_ratios(which, x[:, None])[:, 0]
            same = np.sign(fx) == np.sign(fa)
            c, fc = np.where(same, a, b), np.where(same, fa, fb)
            b, fb = np.where(same, b, a), np.where(same, fb, fa)
            a, fa = x, fx
            best = np.where(np.abs(fa) < np.abs(fb), a, b)
            resolution = _TIME_TOLERANCE * np.abs(best) + _SMALLEST
            open_ = (np.abs(b - a) > 2 * resolution) & (fa != 0) & np.isfinite(fa)
            margin = np.minimum(0.5, resolution / np.maximum(np.abs(b - a), _SMALLEST))
            t = np.clip(_step((a, fa), (b, fb), (c, fc)), margin, 1 - margin)
        self.accurate[which[np.isnan(fa)]] = False
        return best


_Point = tuple[_Selected, _Selected]
"""Times, and the values at these times."""


def _step(a: _Point, b: _Point, c: _Point) -> _Selected:
    """Fraction of the way from a to b: by inverse quadratic interpolation if that is safe, otherwise bisection."""
    with np.errstate(divide="ignore", invalid="ignore"):
        xi = (a[0] - b[0]) / (c[0] - b[0])
        phi = (a[1] - b[1]) / (c[1] - b[1])
        is_safe = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
        ratio = (c[0] - a[0]) / (b[0] - a[0])
        t = a[1] / (b[1] - a[1]) * c[1] / (b[1] - c[1]) + ratio * a[1] / (c[1] - a[1]) * b[1] / (c[1] - b[1])
    return np.where(is_safe & np.isfinite(t), t, 0.5)
