"""Weights of the exact solution, including the rotation of the hidden units that the closed form does not determine.

The exact solution gives Q(t) = A L_c^{-T} with A = e^{Ft} L, G = L Z^T the echelon form of the initial weights and
L_c L_c^T = I + int_0^t A^T A. The weights are Q R Z^T with one rotation R for each time. Inserting this into
tau dQ_true/dt = (F - P/2) Q_true, where L_c^{-1} dL_c/dt is the strict lower triangle of N = Q^T Q plus half of its
diagonal, yields

    tau dR/dt = 1/2 (triu(N, 1) - tril(N, -1)) R,    R(0) = I,

whose right side vanishes after the transients of the modes. Only R is integrated numerically, so that products of the
layers are as accurate as the closed form: in intervals of time, the generator is interpolated by polynomials, and
successive approximations of the integral equation converge to rounding level.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.aligned import AlignedSolution
from lindyn_service.dynamics.chebyshev import Interval, integrals, last_coefficients
from lindyn_service.dynamics.echelon import EPS, hidden_basis
from lindyn_service.dynamics.initial_coordinates import rows
from lindyn_service.dynamics.riccati import Solution

ROTATION_ROUNDING = 256 * EPS
"""Bound of the relative error of the weights by rounding in their rotation, 8 times the largest of 30 problems."""

_DEGREE = 32
_LENGTH = 1.0  # of intervals before they are halved, in the logarithm of time; transients last as long as they are late
_MIN_LENGTH = 1e-3  # what is left unresolved in shorter intervals are rounding errors
_MAX_ANGLE = 3.0  # of the rotation in an interval, so that few approximations are needed
_MAX_APPROXIMATIONS = 60
_TOLERANCE = 64 * EPS  # truncation error of a generator, relative to its norm
_ROUNDING = 2 * EPS  # of a generator, relative to the squared norm of the smaller layer
_NEGLIGIBLE = EPS / 4  # angle
_DECAYED = 40.0  # exponent of what is far below rounding errors
_N_LAST = 3  # of the Chebyshev coefficients, which estimate the truncation error


@dataclass(frozen=True)
class TrueWeights:
    """Weights at some times, in the coordinates of inputs, hidden units and outputs of the initial weights.

    Attributes:
        w1: first layer.
        w2: second layer.
        deviation: estimated error of the rotations: the largest ||R^T R - I||_F before they are made orthogonal, plus
            the truncation error of the generator.
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
    times = np.minimum(times, _settled(solution))
    rotations, truncation, evaluations = _rotations(solution, times)
    excess = rotations.transpose(0, 2, 1) @ rotations - np.eye(rotations.shape[1])
    deviation = truncation + float(np.max(np.linalg.norm(excess, axis=(1, 2))))
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
) -> tuple[Float[np.ndarray, "time column column"], float, int]:
    """Rotations R at each of the times, their truncation error, and the number of evaluations."""
    n = max(1, len(solution.echelon.pivots))
    rotations, reached = np.tile(np.eye(n), (len(times), 1, 1)), np.eye(n)
    truncation, evaluations = 0.0, 0
    for piece in _pieces(solution, float(times[-1])):
        truncation, evaluations = truncation + piece.truncation, evaluations + piece.evaluations
        since = times > piece.interval.first
        if not np.any(piece.generators):
            rotations[since] = reached
            continue
        turned = piece.rotations()
        inside = np.flatnonzero(since & (times <= piece.interval.last))
        flat = piece.interval.weights(times[inside]) @ turned.reshape(len(turned), -1)
        rotations[inside] = flat.reshape(-1, n, n) @ reached
        reached = turned[-1] @ reached
        reached -= 0.5 * reached @ (reached.T @ reached - np.eye(n))
    return rotations, truncation, evaluations


@dataclass(frozen=True)
class _Piece:
    """Generator of the rotation in a time interval.

    Attributes:
        interval: time interval.
        generators: generators at its nodes.
        truncation: estimated error of the angle between the nodes.
        evaluations: number of evaluations of the exact solution, also for an interval of which this one is a part.
    """

    interval: Interval
    generators: Float[np.ndarray, "node column column"]
    truncation: float
    evaluations: int

    def rotations(self) -> Float[np.ndarray, "node column column"]:
        """Rotations since the beginning of the interval, at the nodes.

        Source: Coddington and Levinson (1955), Theory of Ordinary Differential Equations, chapter 1: successive
        approximations R = I + int G R, whose errors are angle^k / k!.
        """
        n_nodes, n = len(self.generators), self.generators.shape[1]
        turned = np.tile(np.eye(n), (n_nodes, 1, 1))
        for _ in range(_MAX_APPROXIMATIONS):
            rates = (self.generators @ turned).reshape(n_nodes, -1)
            last, turned = turned, np.eye(n) + integrals(self.interval, rates).reshape(-1, n, n)
            if np.max(np.abs(turned - last)) <= EPS:
                break
        return turned


def _settled(solution: Solution) -> float:
    """Time after which weights rest to rounding level; infinite if a transient is algebraic.

    Later, rounding errors of the generator and of the eigenvalues of F would accumulate. Once the modes are learned,
    transients decay at the rates by which eigenvalues differ from each other and from their negatives. Eigenvalues that
    differ by rounding errors count as equal.
    """
    reduced, eigenvalues = solution.echelon, solution.modes.eigenvalues
    f, own = eigenvalues[reduced.pivots], reduced.lower[reduced.pivots, np.arange(len(reduced.pivots))]
    equal = len(eigenvalues) * EPS * float(np.max(np.abs(eigenvalues), initial=0.0))
    if not len(f) or np.min(np.abs(f)) <= equal:
        return np.inf
    gaps = np.abs(np.concatenate([2 * f, np.subtract.outer(f, eigenvalues).ravel()]))
    growing = f > 0
    exponents = np.logaddexp(0.0, np.log(2 * f[growing]) - 2 * np.log(np.abs(own[growing])))
    learned = float(np.max(exponents / (2 * f[growing]), initial=0.0))
    ratio = float(np.log(np.max(np.abs(reduced.lower))) - np.log(np.min(np.abs(own))))
    return learned + (_DECAYED + 2 * ratio) / float(np.min(gaps[gaps > equal]))


def _pieces(solution: Solution, last: float) -> Iterator[_Piece]:
    """Yield successive intervals from time 0 in which the generator is resolved and the angle is small."""
    fastest = float(solution.modes.eigenvalues[0] + np.sum(solution.echelon.lower**2))
    if not last or not fastest:
        return
    unit = 1 / fastest
    count = max(1, int(np.ceil(np.log1p(last / unit) / _LENGTH)))
    edges = [*(unit * np.expm1(np.log1p(last / unit) * np.arange(count) / count)), last]
    pending = [Interval(float(a), float(b), unit, _DEGREE) for a, b in pairwise(edges)][::-1]
    evaluations = 0
    while pending:
        interval = pending.pop()
        generators, largest = _generators(solution, interval.times)
        evaluations += len(generators)
        sizes = np.linalg.norm(generators, axis=(1, 2))
        tails = last_coefficients(_DEGREE, _N_LAST) @ generators.reshape(len(generators), -1)
        elapsed = interval.last - interval.first
        angle, truncation = elapsed * float(sizes.mean()), elapsed * float(np.linalg.norm(tails, axis=1).max())
        accepted = elapsed * max(_TOLERANCE * float(sizes.max()), _ROUNDING * largest)
        is_resolved = truncation <= max(accepted, _NEGLIGIBLE)
        if interval.length > _MIN_LENGTH and (angle > _MAX_ANGLE or not is_resolved):
            halves = (interval.first, interval.middle), (interval.middle, interval.last)
            pending += [Interval(a, b, unit, _DEGREE) for a, b in reversed(halves)]
            continue
        yield _Piece(interval, generators, truncation, evaluations)
        evaluations = 0


def _generators(
    solution: Solution, times: Float[np.ndarray, " node"]
) -> tuple[Float[np.ndarray, "node column column"], float]:
    """Generators 1/2 (triu(N, 1) - tril(N, -1)) of the rotation, and the largest squared norm of the smaller layer.

    Off its diagonal, N is twice the Gram matrix of either layer, since the weights are balanced. The smaller layer has
    the smaller rounding errors. Entries at rounding level are set to 0, since they would accumulate over long times.
    """
    n = max(1, len(solution.echelon.pivots))
    generators, largest = np.empty((len(times), n, n)), 0.0
    for batch, factors in solution.batches(times):
        layer = factors.into if solution.modes.lam >= 0 else factors.out
        gram = layer.transpose(0, 2, 1) @ layer
        size = np.sqrt(np.einsum("tii->ti", gram))
        gram[np.abs(gram) <= 4 * EPS * size[:, :, None] * size[:, None, :]] = 0.0
        generators[batch] = np.triu(gram, 1) - np.tril(gram, -1)
        largest = max(largest, float(np.max(np.vecdot(size, size))))
    return generators, largest
