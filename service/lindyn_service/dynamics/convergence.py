"""Limit of the exact solution as t -> infinity, and the times at which the loss and the function converge."""

import math
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import brentq

from lindyn_service.dynamics.aligned import AlignedSolution
from lindyn_service.dynamics.closed_form import ClosedForm
from lindyn_service.dynamics.echelon import EPS
from lindyn_service.dynamics.modes import diagonal
from lindyn_service.dynamics.riccati import Factors, Solution

_EQUAL_TOLERANCE = 8 * EPS  # relative to the largest; equal singular values, and their squares, differ by rounding
_MAX_DOUBLINGS = 200  # reaches 1e60 time constants of the fastest motion
_HORIZON = 1e7  # in units of 1 / kappa_max; networks that have not settled by then count as not settling
_SMALLEST = float(np.finfo(np.float64).tiny)


def converged(solution: ClosedForm) -> Factors:
    """Weights at t -> infinity, from the echelon form.

    P = Q Q^T tends to the sum over the positive eigenvalues f of F of 2 f times a projector. For each f, take the
    columns of the echelon form whose pivots are in the rows of f, and the entries of these columns in the same rows:
    the projector is that on their span. Columns with pivots at f <= 0 vanish. Eigenvalues whose singular values differ
    only by rounding count as equal.

    Args:
        solution: exact solution.

    Returns:
        Factors with a time axis of length 1.

    Source: Domine et al. (2025), arXiv 2409.14623, limit of the exact solution; thesis Theorem 4.1.1, corrected for
    any widths, ranks and equal singular values.
    """
    if isinstance(solution, AlignedSolution):
        return solution.limit(_EQUAL_TOLERANCE)
    modes = solution.modes
    limit = _limit_along_eigenvectors(solution)
    m, n_rows = len(modes.s), len(limit)
    growing, extra = limit[:m], limit[m : n_rows - m]
    minor = np.concatenate([modes.p[:, None] * growing, extra[: modes.n_minor - m]])
    major = np.concatenate([modes.q[:, None] * growing, extra[: modes.n_major - m]])
    into, out = (major, minor) if modes.exchanged else (minor, major)
    return Factors(into[None], out[None])


def limit_errors(solution: ClosedForm) -> Float[np.ndarray, "out rank"]:
    """Errors u^T (W - sigma_yx) v at t -> infinity, which vanish for learned modes.

    Args:
        solution: exact solution.

    Source: as for `converged`.
    """
    if isinstance(solution, AlignedSolution):
        return solution.limit_errors(_EQUAL_TOLERANCE)
    errors = _functions(converged(solution))[0] - _task(solution)
    for group, columns in _groups(solution):
        modes = group[group < len(solution.modes.s)]
        if len(columns) == len(group):
            errors[modes] = errors[:, modes] = 0.0
    return errors


def excess_loss_at(solution: ClosedForm, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """Excess loss on white inputs, 1/2 ||sigma_yx - w2 w1||_F^2, at ascending times in units of the time constant.

    Source: Domine et al. (2025), arXiv 2409.14623, loss with white inputs.
    """
    losses = np.empty(len(times))
    for part, factors in solution.batches(times):
        errors = solution.errors(times[part], _functions(factors))
        losses[part] = 0.5 * np.einsum("tij,tij->t", errors, errors)
    return losses


def convergence_time(solution: ClosedForm, tolerance: float) -> float | None:
    """First time at which the excess loss on white inputs is at most the tolerance.

    The loss decreases monotonically, so that the time is unique. It is bracketed by doubling and then located by a root
    finder on the exact solution.

    Args:
        solution: exact solution.
        tolerance: in units of the loss.

    Returns:
        Time in units of the time constant; 0 if the initial loss is at most the tolerance, None if the loss stays
        above.

    Source: Domine et al. (2025), arXiv 2409.14623, exact solution; the search is docs/theory.md, section 5.
    """

    def excess(time: float) -> float:
        return float(excess_loss_at(solution, np.array([time]))[0])

    if excess(0.0) <= tolerance:
        return 0.0
    if 0.5 * float(np.sum(limit_errors(solution) ** 2)) > tolerance:
        return None

    before, after = 0.0, 1 / fastest_rate(solution)
    for _ in range(_MAX_DOUBLINGS):
        if excess(after) <= tolerance:
            return _crossing(excess, tolerance, before, after)
        before, after = after, 2 * after
    return None


def settling_time(solution: ClosedForm, tolerance: float = 1e-13) -> float | None:
    """Time after which the network function stays within a tolerance of its limit.

    Args:
        solution: exact solution.
        tolerance: largest ||W - W_inf||_F, relative to the larger of ||W_inf||_F and ||W(0)||_F; the default is close
            to rounding errors.

    Returns:
        Time in units of the time constant, 0 if the function is within the tolerance from the start; None if about
        1e7 / kappa_max is too short, as for decay like 1 / t (lambda = 0 and a task without full rank).

    Source: Domine et al. (2025), arXiv 2409.14623, exact solution.
    """
    limit = _functions(converged(solution))[0]
    start = _functions(solution.at(np.zeros(1)))[0]
    threshold = tolerance * max(float(np.linalg.norm(limit)), float(np.linalg.norm(start)))

    def distance(time: float) -> float:
        return float(_distances(solution.at(np.array([time])), limit)[0])

    times = _doublings(solution)
    outside = [i for i, time in enumerate(times) if distance(time) > threshold]
    if not outside:
        return 0.0
    last = outside[-1]
    return None if last == len(times) - 1 else _crossing(distance, threshold, times[last], times[last + 1])


def fastest_rate(solution: ClosedForm) -> float:
    """Approximate bound of the rates of the weights: the largest eigenvalue of F plus the squared initial size.

    Source: tau dP/dt = F P + P F - P^2 (Braun et al. 2022, arXiv 2206.03738): kappa_max + ||Q(0)||_F^2.
    """
    return float(solution.modes.eigenvalues[0]) + solution.initial_size


def _limit_along_eigenvectors(solution: Solution) -> Float[np.ndarray, "row pivot"]:
    """Factor of P at infinity in the eigenbasis of F; only rows of positive eigenvalues are non-zero."""
    f, reduced = solution.modes.eigenvalues, solution.echelon
    limit = np.zeros((len(f), max(1, len(reduced.pivots))))
    for group, columns in _groups(solution):
        basis, _ = np.linalg.qr(reduced.lower[np.ix_(group, columns)])
        limit[np.ix_(group, columns)] = np.sqrt(2 * f[group, None]) * basis
    return limit


def _groups(solution: Solution) -> Iterator[tuple[Int[np.ndarray, " row"], Int[np.ndarray, " column"]]]:
    """Rows of each group of equal positive eigenvalues with pivots, and the columns of these pivots."""
    f, excess, pivots = solution.modes.eigenvalues, solution.modes.excess, solution.echelon.pivots
    growing = f > _EQUAL_TOLERANCE * f[0]
    falls = (excess[:-1] - excess[1:] > _EQUAL_TOLERANCE * excess[0]) | (growing[:-1] & ~growing[1:])
    bounds = np.flatnonzero(falls) + 1
    for start, stop in zip([0, *bounds], [*bounds, len(f)], strict=True):
        columns = np.flatnonzero((pivots >= start) & (pivots < stop))
        if growing[start] and len(columns):
            yield np.arange(start, stop), columns


def _functions(factors: Factors) -> Float[np.ndarray, "time out in"]:
    """Network functions in the singular bases of the task."""
    return factors.out @ factors.into.transpose(0, 2, 1)


def _distances(factors: Factors, target: Float[np.ndarray, "out in"]) -> Float[np.ndarray, " time"]:
    return np.linalg.norm(_functions(factors) - target, axis=(1, 2))


def _task(solution: ClosedForm) -> Float[np.ndarray, "out in"]:
    """The task in its singular bases."""
    return diagonal(solution.modes.s, (len(solution.modes.u), len(solution.modes.v)))


def _doublings(solution: ClosedForm) -> list[float]:
    """Time 0, and times doubled from that of the fastest motion to beyond the horizon."""
    fastest, growth = fastest_rate(solution), float(solution.modes.eigenvalues[0])
    if fastest == 0:
        return [0.0]
    slowness = fastest / growth if growth > 0 else 1.0
    count = min(_MAX_DOUBLINGS, math.ceil(math.log2(_HORIZON * slowness)))
    return [0.0, *(2.0**i / fastest for i in range(count + 1))]


def _crossing(value: Callable[[float], float], level: float, before: float, after: float) -> float:
    """Time at which a value falls to a level, by its logarithm, which is nearly linear for exponential decay."""

    def above(time: float) -> float:
        return math.log(max(value(time), _SMALLEST)) - math.log(max(level, _SMALLEST))

    return float(brentq(above, before, after, xtol=_SMALLEST, rtol=1e-14, maxiter=1000))
