"""Sharpness: the largest eigenvalue of the Hessian of the loss, which bounds stable learning rates."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.flow_velocity import VelocityField, back_propagation
from lindyn_service.dynamics.modal_loss import times_root
from lindyn_service.dynamics.modal_weights import ModalWeights

_TOLERANCE = 1e-13  # relative error of an eigenvalue
BATCH_NUMBERS = 2**18
"""Numbers in the vectors of a batch of times, which fit into the cache of a core."""

_MAX_STEPS = 400
_FIRST_CHECK, _CHECK_GROWTH = 8, 1.3  # steps before the first check of convergence; ratio of steps between checks
_SMALLEST_SQUARE = 1e-280  # smaller ones lose digits
_BREAKDOWN_TOLERANCE = 1e-15  # new vectors shorter than this, relative to the eigenvalue, are rounding errors


@dataclass(frozen=True)
class Sharpness:
    """Largest eigenvalues of the Hessian, with error bounds.

    Attributes:
        values: eigenvalues, in units of the loss divided by squared weights.
        errors: bounds of their absolute errors without rounding, provided that the first Lanczos vector is not
            orthogonal to the eigenvector.
    """

    values: Float[np.ndarray, " time"]
    errors: Float[np.ndarray, " time"]


def sharpness(modal_weights: ModalWeights) -> Float[np.ndarray, " time"]:
    """Largest eigenvalue of the Hessian of the loss with respect to all weights.

    Source: Cohen et al. (2021), arXiv 2103.00065, sharpness; the eigenvalue as for `hessian_bounds`.
    """
    return hessian_bounds(modal_weights).values


def hessian_bounds(modal_weights: ModalWeights) -> Sharpness:
    """Largest eigenvalues by the Lanczos method, with products of the Hessian and vectors.

    Hidden units without weights, which `modal_weights` may omit, do not have larger eigenvalues than those that it
    keeps, since only the residual acts on them. The first vector is random but fixed, and the value at one time does
    not depend on the other times. The vectors are not orthogonalised again: they lose orthogonality only towards
    eigenvectors that have converged, which leaves the largest eigenvalue and the residual as they are. The method stops
    when the residual of the Ritz vector, which bounds the error, is below 1e-13 of the eigenvalue, or after 400 steps.
    Tighter bounds would need the gap to the next eigenvalue, which the method may not have resolved yet.

    Args:
        modal_weights: network at some times.

    Returns:
        The eigenvalues with the bounds that were reached.

    Source: Parlett (1998), 10.1137/1.9781611971163, chapter 13, the method and the loss of orthogonality, and theorem
    11.7.1, the bounds.
    """
    layers = modal_weights.layers
    n_times, size = len(layers[0]), sum(math.prod(layer.shape[1:]) for layer in layers)
    root = modal_weights.objective.root
    inputs = times_root(times_root(np.eye(layers[0].shape[2]), root), root)
    field = VelocityField(tuple(layer.shape[1:] for layer in layers), modal_weights.objective.best @ inputs, inputs)
    start = np.random.default_rng(0).standard_normal(size)
    batch = max(1, BATCH_NUMBERS // max(size, _MAX_STEPS))
    values, errors = np.zeros(n_times), np.zeros(n_times)
    for first in range(0, n_times, batch):
        own = slice(first, first + batch)
        lanczos = _Lanczos(field, tuple(layer[own] for layer in layers), start / np.linalg.norm(start))
        values[own], errors[own] = lanczos.largest()
    return Sharpness(values, errors)


def largest_learning_rate(modal_weights: ModalWeights) -> Float[np.ndarray, " time"]:
    """Largest stable learning rate of gradient descent near the weights, 2 tau / sharpness.

    Descent with smaller learning rates converges to a minimum; the bound is infinite where the Hessian is zero.

    Source: LeCun et al. (1998), 10.1007/3-540-49430-8_2, section 5, for quadratic losses.
    """
    values = sharpness(modal_weights)
    return np.divide(2 * modal_weights.time_constant, values, out=np.full_like(values, np.inf), where=values > 0)


def sharpness_of_learned(lam: float, strongest: float, variance: float = 1.0) -> float:
    """Sharpness variance sqrt(lam^2 + 4 s_1^2) of balanced layers that have learned a task of full rank.

    At this minimum the Hessian is J^T J with the Jacobian J of the network function. Its largest eigenvalue is the sum
    of those of w2 w2^T and w1^T w1, times the variance of the inputs.

    Args:
        lam: balance of the weights.
        strongest: largest singular value s_1 of the white-input task.
        variance: variance of the inputs.

    Source: docs/theory.md, section 5; Mulayoff and Michaeli (2020), arXiv 2002.04710, for lam = 0.
    """
    return variance * math.hypot(lam, 2 * strongest)


class _Lanczos:
    """Lanczos method for several times, independently of each other, in one batch."""

    def __init__(
        self,
        field: VelocityField,
        layers: tuple[Float[np.ndarray, "time _ _"], ...],
        start: Float[np.ndarray, " number"],
    ) -> None:
        n_times = len(layers[0])
        self._field = field
        self._values, self._errors = np.zeros(n_times), np.zeros(n_times)
        self._active = np.arange(n_times)
        self._diagonal, self._beside = np.zeros((n_times, _MAX_STEPS)), np.zeros((n_times, _MAX_STEPS))
        self._vectors, self._previous = np.tile(start, (n_times, 1)), np.zeros((n_times, len(start)))
        self._layers, self._passes = layers, back_propagation(layers, field.sigma_yx, field.sigma_xx)

    def largest(self) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
        """Largest eigenvalues and bounds of their errors."""
        scale, next_check = np.zeros(len(self._active)), _FIRST_CHECK
        for count in range(1, _MAX_STEPS + 1):
            self._step(count)
            scale = np.maximum(scale, np.abs(self._diagonal[:, count - 1]))
            has_ended = self._beside[:, count - 1] <= _BREAKDOWN_TOLERANCE * scale
            if count in (next_check, _MAX_STEPS) or np.any(has_ended):
                next_check = max(next_check, math.ceil(_CHECK_GROWTH * count))
                left = ~(self._converged(count) | has_ended)
                scale = scale[left]
                self._keep(left)
                if not len(self._active):
                    break
        return self._values, self._errors

    def _step(self, count: int) -> None:
        """Multiply the vectors by the Hessian, and make the result orthogonal to the last two of them."""
        vectors, beside = self._vectors, self._beside[:, count - 1]
        product = -self._field.derivatives(self._layers, self._passes, vectors)[0]
        if count > 1:
            product -= self._beside[:, count - 2, None] * self._previous
        along = np.vecdot(product, vectors)
        product -= along[:, None] * vectors
        self._diagonal[:, count - 1], beside[:] = along, _norms(product)
        product /= np.where(beside > 0, beside, 1.0)[:, None]
        self._previous, self._vectors = vectors, product

    def _converged(self, count: int) -> Bool[np.ndarray, " time"]:
        """Store the largest Ritz values and bounds of their errors, and return where these are small enough."""
        size = max(1, BATCH_NUMBERS // count**2)
        for first in range(0, len(self._active), size):
            own, active = slice(first, first + size), self._active[first : first + size]
            tridiagonal = np.zeros((len(active), count, count))  # of which LAPACK reads the lower triangle
            np.einsum("tii->ti", tridiagonal)[:] = self._diagonal[own, :count]
            np.einsum("tii->ti", tridiagonal[:, 1:, :-1])[:] = self._beside[own, : count - 1]
            values, vectors = np.linalg.eigh(tridiagonal)
            self._values[active] = values[:, -1]
            self._errors[active] = self._beside[own, count - 1] * np.abs(vectors[:, -1, -1])
        return self._errors[self._active] <= _TOLERANCE * np.abs(self._values[self._active])

    def _keep(self, left: Bool[np.ndarray, " time"]) -> None:
        """Go on with some of the times."""
        if np.all(left):
            return
        self._active, self._vectors, self._previous = self._active[left], self._vectors[left], self._previous[left]
        self._diagonal, self._beside = self._diagonal[left], self._beside[left]
        self._layers = tuple(layer[left] for layer in self._layers)
        self._passes = back_propagation(self._layers, self._field.sigma_yx, self._field.sigma_xx)


def _norms(vectors: Float[np.ndarray, "time number"]) -> Float[np.ndarray, " time"]:
    """Norms of vectors, accurate also if their squares overflow or vanish."""
    with np.errstate(over="ignore"):
        squares = np.vecdot(vectors, vectors)
    norms = np.sqrt(squares)
    beyond = ~((squares > _SMALLEST_SQUARE) & np.isfinite(squares))
    if np.any(beyond):
        largest = np.max(np.abs(vectors[beyond]), axis=1)
        scaled = vectors[beyond] / np.where(largest > 0, largest, 1.0)[:, None]
        norms[beyond] = largest * np.sqrt(np.vecdot(scaled, scaled))
    return norms
