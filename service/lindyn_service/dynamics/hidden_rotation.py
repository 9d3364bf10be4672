"""The weights themselves: the rotation of the hidden units that the exact solution leaves open.

The exact solution gives Q(t) = A L_c^{-T} with A = e^{Ft} L, G = L Z^T the echelon form of the initial weights and
L_c L_c^T = I + int_0^t A^T A. The weights are Q R Z^T with one rotation R for each time. Inserting that into
tau dQ_true/dt = (F - P/2) Q_true, with L_c^{-1} dL_c/dt the lower half of N = Q^T Q and half its diagonal, leaves

    tau dR/dt = 1/2 (triu(N, 1) - tril(N, -1)) R,    R(0) = I,

whose right side vanishes with the transients of the modes. Only R is integrated numerically: products of the layers
keep the digits of the closed form.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.integrate import DOP853

from lindyn_service.dynamics.aligned import AlignedSolution
from lindyn_service.dynamics.echelon import EPS, hidden_basis
from lindyn_service.dynamics.initial_coordinates import rows
from lindyn_service.dynamics.riccati import Solution

_RTOL, _ATOL = 1e-12, 1e-13
_LONGEST_STEP = 1 / 3  # of the time passed: no step jumps over a transient, which is at least that slow


@dataclass(frozen=True)
class TrueWeights:
    """Weights at some times, in the coordinates and with the hidden units of the initial weights.

    Attributes:
        w1: first layer.
        w2: second layer.
        deviation: largest ||R^T R - I||_F of the integrated rotations, which are then made orthogonal: an estimate of
            their error.
        evaluations: of the exact solution, to integrate the rotations.
    """

    w1: Float[np.ndarray, "time hidden in"]
    w2: Float[np.ndarray, "time out hidden"]
    deviation: float
    evaluations: int


def true_weights(
    solution: Solution | AlignedSolution,
    w1: Float[np.ndarray, "hidden in"],
    w2: Float[np.ndarray, "out hidden"],
    times: Float[np.ndarray, " time"],
) -> TrueWeights:
    """Evaluate the weights along the gradient flow, hidden unit by hidden unit.

    Args:
        solution: of the problem that starts from these weights.
        w1: first layer at time 0.
        w2: second layer at time 0.
        times: ascending, non-negative, in units of the time constant.

    Returns:
        The weights. Modes of an aligned problem keep their directions; no rotation is integrated for them.

    Source: the flow of Q in Braun et al. (2022), arXiv 2206.03738, and Domine et al. (2025), arXiv 2409.14623, in the
    gauge of the Cholesky factor.
    """
    if isinstance(solution, AlignedSolution):
        return _in_coordinates(solution, times, solution.directions[None], 0.0, 0)
    rotations, evaluations = _rotations(solution, times)
    excess = rotations.transpose(0, 2, 1) @ rotations - np.eye(rotations.shape[1])
    deviation = float(np.max(np.linalg.norm(excess, axis=(1, 2))))
    # a Newton-Schulz step to the polar factor squares the deviation, and cannot fail to converge as an SVD did
    rotations -= 0.5 * rotations @ excess
    basis = hidden_basis(*rows(solution.modes, w1, w2, rounded=solution.start.rounded))
    if not len(solution.echelon.pivots):
        basis = np.zeros((len(w1), 1))  # weights without any overlap have one column of zeros
    return _in_coordinates(solution, times, rotations @ basis.T, deviation, evaluations)


def _in_coordinates(
    solution: Solution | AlignedSolution,
    times: Float[np.ndarray, " time"],
    turned: Float[np.ndarray, "any_time column hidden"],
    deviation: float,
    evaluations: int,
) -> TrueWeights:
    """Apply U and V to the rows, and at each time the directions of the hidden units to the columns."""
    v, u = solution.modes.v, solution.modes.u
    turned = np.broadcast_to(turned, (len(times), *turned.shape[1:]))
    w1, w2 = np.empty((len(times), turned.shape[2], len(v))), np.empty((len(times), len(u), turned.shape[2]))
    for part, factors in solution.batches(times):
        w1[part] = (v @ factors.into @ turned[part]).transpose(0, 2, 1)
        w2[part] = u @ factors.out @ turned[part]
    return TrueWeights(w1, w2, deviation, evaluations)


def _rotations(
    solution: Solution, times: Float[np.ndarray, " time"]
) -> tuple[Float[np.ndarray, "time column column"], int]:
    """Integrate R up to the times; also returns the number of evaluations."""
    n = max(1, len(solution.echelon.pivots))

    def velocity(time: float, r: Float[np.ndarray, " entry"]) -> Float[np.ndarray, " entry"]:
        return (_turning(solution, time) @ r.reshape(n, n)).ravel()

    rotations = np.zeros((len(times), n, n))  # zeros, and with them the deviation, would stay if a step failed
    solver = DOP853(velocity, 0.0, np.eye(n).ravel(), times[-1], rtol=_RTOL, atol=_ATOL)
    done = int(np.searchsorted(times, 0.0, side="right"))
    rotations[:done] = np.eye(n)
    fastest = float(solution.modes.eigenvalues[0] + np.sum(solution.echelon.lower**2))
    while solver.status == "running":
        solver.max_step = _LONGEST_STEP * solver.t + (1 / fastest if fastest > 0 else np.inf)
        solver.step()
        end = int(np.searchsorted(times, solver.t, side="right"))
        if end > done:
            dense = solver.dense_output()
            rotations[done:end] = dense(times[done:end]).T.reshape(-1, n, n)
            done = end
    return rotations, solver.nfev


def _turning(solution: Solution, time: float) -> Float[np.ndarray, "column column"]:
    """1/2 (triu(N, 1) - tril(N, -1)); off the diagonal, N is twice the Gram matrix of either layer, by the balance.

    The smaller layer has the smaller rounding errors. Entries that are rounding errors turn nothing, for ever so long.
    """
    factors = solution.at(np.array([time]))
    layer = factors.into[0] if solution.modes.lam >= 0 else factors.out[0]
    gram = layer.T @ layer
    size = np.sqrt(np.diagonal(gram))
    gram[np.abs(gram) <= 4 * EPS * np.outer(size, size)] = 0.0
    return np.triu(gram, 1) - np.tril(gram, -1)
