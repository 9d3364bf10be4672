"""Sharpness: the largest eigenvalue of the Hessian of the loss, which bounds stable learning rates."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.flow_velocity import VelocityField, back_propagation
from lindyn_service.dynamics.modal_loss import times_root
from lindyn_service.dynamics.modal_weights import ModalWeights

_TOLERANCE = 1e-13  # relative error of an eigenvalue
MAX_VECTORS = 400
BATCH_NUMBERS = 2**22  # the Lanczos vectors of a batch of times take 32 megabytes
_STEPS_BETWEEN_CHECKS = 4
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
    not depend on the other times. The method stops when the residual of the Ritz vector, which bounds the error, is
    below 1e-13 of the eigenvalue, or after 400 vectors. Tighter bounds would need the gap to the next eigenvalue, which
    the method may not have resolved yet.

    Args:
        modal_weights: network at some times.

    Returns:
        The eigenvalues with the bounds that were reached.

    Source: Parlett (1998), 10.1137/1.9781611971163, chapter 13, the method with full orthogonalisation, and theorem
    11.7.1, the bounds.
    """
    layers = modal_weights.layers
    n_times, size = len(layers[0]), sum(math.prod(layer.shape[1:]) for layer in layers)
    root = modal_weights.objective.root
    inputs = times_root(times_root(np.eye(layers[0].shape[2]), root), root)
    field = VelocityField(tuple(layer.shape[1:] for layer in layers), modal_weights.objective.best @ inputs, inputs)
    start = np.random.default_rng(0).standard_normal(size)
    max_vectors = min(size, MAX_VECTORS)
    batch = max(1, BATCH_NUMBERS // (size * max_vectors))
    values, errors = np.zeros(n_times), np.zeros(n_times)
    for first in range(0, n_times, batch):
        batch_slice = slice(first, first + batch)
        batch_layers = tuple(layer[batch_slice] for layer in layers)
        lanczos = _Lanczos(field, batch_layers, start / np.linalg.norm(start), max_vectors)
        values[batch_slice], errors[batch_slice] = lanczos.largest()
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
        max_vectors: int,
    ) -> None:
        self._field, self._layers, self._max_vectors = field, layers, max_vectors
        self._passes = back_propagation(layers, field.sigma_yx, field.sigma_xx)
        n_times = len(layers[0])
        self._vectors = np.zeros((n_times, max_vectors, len(start)))
        self._vectors[:, 0] = start
        self._projected = np.zeros((n_times, max_vectors, max_vectors))

    def largest(self) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
        """Largest eigenvalues and bounds of their errors."""
        n_times = len(self._vectors)
        values, errors, done = np.zeros(n_times), np.zeros(n_times), np.zeros(n_times, dtype=bool)
        for count in range(1, self._max_vectors + 1):
            lengths = self._step(count)
            if count % _STEPS_BETWEEN_CHECKS and count < self._max_vectors:
                continue
            ritz_values, bounds = self._ritz(count, lengths)
            values[~done], errors[~done] = ritz_values[~done], bounds[~done]
            done |= bounds <= _TOLERANCE * np.abs(ritz_values)
            if np.all(done):
                break
        return values, errors

    def _step(self, count: int) -> Float[np.ndarray, " time"]:
        """Multiply the last vector by the Hessian and orthogonalise twice; returns the norms of the new vectors."""
        vectors = self._vectors[:, :count]
        product = -self._field.derivatives(self._layers, self._passes, vectors[:, -1])[0]
        for _ in range(2):
            coefficients = np.einsum("tkn,tn->tk", vectors, product)
            self._projected[:, :count, count - 1] += coefficients
            product = product - np.einsum("tk,tkn->tn", coefficients, vectors)
        lengths = np.linalg.norm(product, axis=1)
        if count < self._max_vectors:
            self._vectors[:, count] = product / np.where(lengths > 0, lengths, 1.0)[:, None]
            self._projected[:, count, count - 1] = lengths
        return lengths

    def _ritz(
        self, count: int, lengths: Float[np.ndarray, " time"]
    ) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
        """Largest Ritz values on the span of the vectors, and bounds of their errors."""
        values, vectors = np.linalg.eigh(self._projected[:, :count, :count])
        largest = values[:, -1]
        residuals = np.where(self._has_ended(values, lengths), 0.0, lengths * np.abs(vectors[:, -1, -1]))
        return largest, residuals

    @staticmethod
    def _has_ended(
        values: Float[np.ndarray, "time value"], lengths: Float[np.ndarray, " time"]
    ) -> Bool[np.ndarray, " time"]:
        """Whether the vectors span an invariant space of the Hessian."""
        return lengths <= _BREAKDOWN_TOLERANCE * np.max(np.abs(values), axis=1)
