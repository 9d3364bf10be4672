"""The largest eigenvalue of the Hessian of the loss, which bounds the learning rates that train."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.flow_velocity import VelocityField, back_propagation
from lindyn_service.dynamics.modal_loss import times_root
from lindyn_service.dynamics.modal_weights import ModalWeights

_TOLERANCE = 1e-13  # relative error of an eigenvalue
MOST_VECTORS = 400
BATCH_NUMBERS = 2**22  # of all Lanczos vectors, 32 megabytes
_CHECKED_EACH = 4  # steps
_BROKEN_DOWN = 1e-15  # length of a new vector, relative to the eigenvalue: what is left is rounding


@dataclass(frozen=True)
class Sharpness:
    """Largest eigenvalues of the Hessian.

    Attributes:
        values: in units of the loss over squared weights.
        errors: bounds of their absolute errors but for rounding, given that the first vector has a part along the
            eigenvector.
    """

    values: Float[np.ndarray, " time"]
    errors: Float[np.ndarray, " time"]


def sharpness(frame: ModalWeights) -> Float[np.ndarray, " time"]:
    """Largest eigenvalue of the Hessian of the loss by all weights.

    Source: Cohen et al. (2021), arXiv 2103.00065, sharpness; the eigenvalue as for `hessian_bounds`.
    """
    return hessian_bounds(frame).values


def hessian_bounds(frame: ModalWeights) -> Sharpness:
    """Find the largest eigenvalue by the Lanczos method on products of the Hessian with vectors.

    Hidden units without weights, which a frame may leave out, have no larger eigenvalues than those that it keeps: they
    feel the residual alone. The first vector is random and always the same; a value at one time does not depend on the
    other times. The method stops where the residual of
    the Ritz vector, which bounds the error, is 1e-13 of the eigenvalue, or after 400 vectors. Smaller bounds ask for
    the gap to the next eigenvalue, which one in a cluster may not have shown yet.

    Args:
        frame: the network at some times.

    Returns:
        The eigenvalues with the bounds that were reached.

    Source: Parlett (1998), 10.1137/1.9781611971163, chapter 13, the method with full orthogonalisation, and theorem
    11.7.1, the bounds.
    """
    layers = frame.layers
    n_times, size = len(layers[0]), sum(math.prod(layer.shape[1:]) for layer in layers)
    root = frame.objective.root
    inputs = times_root(times_root(np.eye(layers[0].shape[2]), root), root)
    field = VelocityField(tuple(layer.shape[1:] for layer in layers), frame.objective.best @ inputs, inputs)
    start = np.random.default_rng(0).standard_normal(size)
    most = min(size, MOST_VECTORS)
    batch = max(1, BATCH_NUMBERS // (size * most))
    values, errors = np.zeros(n_times), np.zeros(n_times)
    for first in range(0, n_times, batch):
        part = slice(first, first + batch)
        lanczos = _Lanczos(field, tuple(layer[part] for layer in layers), start / np.linalg.norm(start), most)
        values[part], errors[part] = lanczos.largest()
    return Sharpness(values, errors)


def largest_learning_rate(frame: ModalWeights) -> Float[np.ndarray, " time"]:
    """Learning rate of gradient descent above which it leaves the neighbourhood of the weights, 2 tau / sharpness.

    At a minimum, smaller ones converge; infinity where the Hessian is zero.

    Source: LeCun et al. (1998), 10.1007/3-540-49430-8_2, section 5, for quadratic losses.
    """
    values = sharpness(frame)
    return np.divide(2 * frame.time_constant, values, out=np.full_like(values, np.inf), where=values > 0)


def sharpness_of_learned(lam: float, strongest: float, variance: float = 1.0) -> float:
    """Sharpness where balanced layers have learned a task of full rank, variance sqrt(lam^2 + 4 s_1^2).

    The Hessian is J^T J there, with the largest eigenvalues of w2 w2^T and of w1^T w1 in its own, their sum.

    Args:
        lam: balance of the weights.
        strongest: largest singular value of the white-input task.
        variance: of the inputs.

    Source: docs/theory.md, section 5; Mulayoff and Michaeli (2020), arXiv 2002.04710, for lam = 0.
    """
    return variance * math.hypot(lam, 2 * strongest)


class _Lanczos:
    """The method at some times at once, each for itself."""

    def __init__(
        self,
        field: VelocityField,
        layers: tuple[Float[np.ndarray, "time _ _"], ...],
        start: Float[np.ndarray, " number"],
        most: int,
    ) -> None:
        self._field, self._layers, self._most = field, layers, most
        self._passes = back_propagation(layers, field.sigma_yx, field.sigma_xx)
        n_times = len(layers[0])
        self._vectors = np.zeros((n_times, most, len(start)))
        self._vectors[:, 0] = start
        self._projected = np.zeros((n_times, most, most))

    def largest(self) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
        """Largest eigenvalues and bounds of their errors."""
        n_times = len(self._vectors)
        values, errors, done = np.zeros(n_times), np.zeros(n_times), np.zeros(n_times, dtype=bool)
        for count in range(1, self._most + 1):
            lengths = self._step(count)
            if count % _CHECKED_EACH and count < self._most:
                continue
            found, bounds = self._ritz(count, lengths)
            values[~done], errors[~done] = found[~done], bounds[~done]
            done |= bounds <= _TOLERANCE * np.abs(found)
            if np.all(done):
                break
        return values, errors

    def _step(self, count: int) -> Float[np.ndarray, " time"]:
        """Multiply the last vector, and orthogonalise twice; returns the lengths of what is new."""
        known = self._vectors[:, :count]
        product = -self._field.derivatives(self._layers, self._passes, known[:, -1])[0]
        for _ in range(2):
            along = np.einsum("tkn,tn->tk", known, product)
            self._projected[:, :count, count - 1] += along
            product = product - np.einsum("tk,tkn->tn", along, known)
        lengths = np.linalg.norm(product, axis=1)
        if count < self._most:
            self._vectors[:, count] = product / np.where(lengths > 0, lengths, 1.0)[:, None]
            self._projected[:, count, count - 1] = lengths
        return lengths

    def _ritz(
        self, count: int, lengths: Float[np.ndarray, " time"]
    ) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
        """Largest eigenvalues on the span of the vectors, and bounds of their errors."""
        values, vectors = np.linalg.eigh(self._projected[:, :count, :count])
        largest = values[:, -1]
        residuals = np.where(self._has_ended(values, lengths), 0.0, lengths * np.abs(vectors[:, -1, -1]))
        return largest, residuals

    @staticmethod
    def _has_ended(
        values: Float[np.ndarray, "time value"], lengths: Float[np.ndarray, " time"]
    ) -> Bool[np.ndarray, " time"]:
        """Whether the vectors span a space that the Hessian does not leave."""
        return lengths <= _BROKEN_DOWN * np.max(np.abs(values), axis=1)
