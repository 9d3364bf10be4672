"""Weights of the exact solution, including the rotation of the hidden units that the closed form does not determine.

The exact solution gives Q(t) = A L_c^{-T} with A = e^{Ft} L, G = L Z^T the echelon form of the initial weights and
L_c L_c^T = I + int_0^t A^T A. The weights are Q R Z^T with one rotation R for each time. Inserting this into
tau dQ_true/dt = (F - P/2) Q_true, where L_c^{-1} dL_c/dt is the strict lower triangle of N = Q^T Q plus half of its
diagonal, yields

    tau dR/dt = 1/2 (triu(N, 1) - tril(N, -1)) R,    R(0) = I,

whose right side vanishes after the transients of the modes. Only R is integrated numerically, so that products of the
layers are as accurate as the closed form.
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
_MAX_RELATIVE_STEP = 1 / 3  # relative to the time; transients last as long as they are late, so none is missed


@dataclass(frozen=True)
class TrueWeights:
    """Weights at some times, in the coordinates of inputs, hidden units and outputs of the initial weights.

    Attributes:
        w1: first layer.
        w2: second layer.
        deviation: largest ||R^T R - I||_F of the integrated rotations before they are made orthogonal, an estimate of
            their error.
        evaluations: number of evaluations of the exact solution for the integration.
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
    """Weights along gradient flow, in the hidden units of the initial weights.

    Args:
        solution: exact solution from these initial weights.
        w1: first layer at time 0.
        w2: second layer at time 0.
        times: ascending, non-negative, in units of the time constant.

    Returns:
        The weights. Modes of aligned networks have constant directions, for which no rotation is integrated.

    Source: the flow of Q in Braun et al. (2022), arXiv 2206.03738, and Domine et al. (2025), arXiv 2409.14623, in the
    gauge of the Cholesky factor.
    """
    if isinstance(solution, AlignedSolution):
        return _in_coordinates(solution, times, solution.directions[None], 0.0, 0)
    rotations, evaluations = _rotations(solution, times)
    excess = rotations.transpose(0, 2, 1) @ rotations - np.eye(rotations.shape[1])
    deviation = float(np.max(np.linalg.norm(excess, axis=(1, 2))))
    # one Newton-Schulz step towards the polar factor squares the deviation; an SVD may fail to converge
    rotations -= 0.5 * rotations @ excess
    basis = hidden_basis(*rows(solution.modes, w1, w2, rounded=solution.start.rounded))
    if not len(solution.echelon.pivots):
        basis = np.zeros((len(w1), 1))  # weights without overlap with any mode have one column of zeros
    return _in_coordinates(solution, times, rotations @ basis.T, deviation, evaluations)


def _in_coordinates(
    solution: Solution | AlignedSolution,
    times: Float[np.ndarray, " time"],
    hidden_directions: Float[np.ndarray, "any_time column hidden"],
    deviation: float,
    evaluations: int,
) -> TrueWeights:
    """Transform rows from the singular bases by U and V, and columns by the hidden directions at each time."""
    v, u = solution.modes.v, solution.modes.u
    hidden_directions = np.broadcast_to(hidden_directions, (len(times), *hidden_directions.shape[1:]))
    n_hidden = hidden_directions.shape[2]
    w1, w2 = np.empty((len(times), n_hidden, len(v))), np.empty((len(times), len(u), n_hidden))
    for batch, factors in solution.batches(times):
        w1[batch] = (v @ factors.into @ hidden_directions[batch]).transpose(0, 2, 1)
        w2[batch] = u @ factors.out @ hidden_directions[batch]
    return TrueWeights(w1, w2, deviation, evaluations)


def _rotations(
    solution: Solution, times: Float[np.ndarray, " time"]
) -> tuple[Float[np.ndarray, "time column column"], int]:
    """Integrate R to each of the times, and return the number of evaluations, too."""
    n = max(1, len(solution.echelon.pivots))

    def velocity(time: float, r: Float[np.ndarray, " entry"]) -> Float[np.ndarray, " entry"]:
        return (_generator(solution, time) @ r.reshape(n, n)).ravel()

    rotations = np.zeros((len(times), n, n))  # if a step fails, the remaining zeros show up in the deviation
    solver = DOP853(velocity, 0.0, np.eye(n).ravel(), times[-1], rtol=_RTOL, atol=_ATOL)
    done = int(np.searchsorted(times, 0.0, side="right"))
    rotations[:done] = np.eye(n)
    fastest = float(solution.modes.eigenvalues[0] + np.sum(solution.echelon.lower**2))
    while solver.status == "running":
        solver.max_step = _MAX_RELATIVE_STEP * solver.t + (1 / fastest if fastest > 0 else np.inf)
        solver.step()
        end = int(np.searchsorted(times, solver.t, side="right"))
        if end > done:
            dense = solver.dense_output()
            rotations[done:end] = dense(times[done:end]).T.reshape(-1, n, n)
            done = end
    return rotations, solver.nfev


def _generator(solution: Solution, time: float) -> Float[np.ndarray, "column column"]:
    """Generator 1/2 (triu(N, 1) - tril(N, -1)) of the rotation.

    Off its diagonal, N is twice the Gram matrix of either layer, since the weights are balanced. The smaller layer has
    the smaller rounding errors. Entries at rounding level are set to 0, since they would accumulate over long times.
    """
    factors = solution.at(np.array([time]))
    layer = factors.into[0] if solution.modes.lam >= 0 else factors.out[0]
    gram = layer.T @ layer
    size = np.sqrt(np.diagonal(gram))
    gram[np.abs(gram) <= 4 * EPS * np.outer(size, size)] = 0.0
    return np.triu(gram, 1) - np.tril(gram, -1)
