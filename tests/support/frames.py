"""Weights of any depth at a few times, and the modal weights from which observables are computed."""

from dataclasses import dataclass

import numpy as np

from lindyn_service.dynamics.modal_loss import objective, white_objective
from lindyn_service.dynamics.modal_weights import ModalWeights, modal_weights
from lindyn_service.dynamics.modes import modes
from lindyn_service.dynamics.tasks import Moments, Samples
from lindyn_service.dynamics.white_inputs import WhiteTask, white_task


@dataclass(frozen=True)
class Observed:
    """A task, the layers at time 0 and at later times, and their modal weights."""

    moments: Moments
    path: list
    frame: ModalWeights
    tau: float

    @property
    def x(self):
        """Inputs, whose columns are samples; without samples, the symmetric root of sigma_xx."""
        if self.moments.samples is not None:
            return self.moments.samples.inputs.T
        return root_of(self.sigma_xx)

    @property
    def y(self):
        """Targets, whose columns are samples; without samples, sigma_yx X^+."""
        if self.moments.samples is not None:
            return self.moments.samples.targets.T
        return self.moments.sigma_yx @ np.linalg.pinv(self.x, rcond=1e-10)

    @property
    def sigma_xx(self):
        n_in = self.moments.sigma_yx.shape[1]
        return np.eye(n_in) if self.moments.sigma_xx is None else self.moments.sigma_xx


def coloured(dims, *, samples=True, seed=0, tau=0.7, times=3):
    """Observe random layers on inputs of unequal variances."""
    rng = np.random.default_rng(seed)
    n_samples = dims[0] + 4
    inputs = rng.standard_normal((n_samples, dims[0])) @ rng.standard_normal((dims[0], dims[0]))
    moments = _moments(inputs, rng.standard_normal((n_samples, dims[-1])), samples)
    return of_layers(moments, drawn_layers(dims, rng, times), tau)


def of_layers(moments, path, tau=1.0):
    """Observe given layers with any task."""
    task_objective = objective(moments)
    start = modal_weights(task_objective, tuple(w[None] for w in path[0]), tau)
    stacked = tuple(np.stack(layers) for layers in zip(*path, strict=True))
    return Observed(moments, path, modal_weights(task_objective, stacked, tau, start), tau)


def white(dims, *, variance=1.0, rank=None, samples=True, seed=0, tau=0.7, times=3):
    """Observe two layers on isotropic inputs as the exact solution has them: hidden units are rotated at each time."""
    rng = np.random.default_rng(seed)
    n_samples, rank = dims[0] + 4, rank or dims[0]
    basis = np.linalg.qr(rng.standard_normal((dims[0], rank)))[0]
    columns = np.linalg.qr(rng.standard_normal((n_samples, rank)))[0]
    inputs = np.sqrt(variance * n_samples) * columns @ basis.T
    moments = _moments(inputs, rng.standard_normal((n_samples, dims[-1])), samples)
    path = [(w1 @ basis @ basis.T, w2) for w1, w2 in drawn_layers(dims, rng, times)]
    task = white_task(moments, 1e-9)
    assert isinstance(task, WhiteTask)
    task_objective = white_objective(task, modes(task.sigma_yx, 1.0), moments.samples)
    hidden = (dims[1],)

    def rotated(part):
        turned = [(w1.T @ r, w2 @ r) for (w1, w2), r in ((weights, rotation(dims[1], rng)) for weights in part)]
        first = np.stack([(task_objective.v.T @ w1t).T for w1t, _ in turned])
        return first, np.stack([task_objective.u.T @ w2 for _, w2 in turned])

    start = ModalWeights(task_objective, rotated(path[:1]), hidden, tau)
    return Observed(moments, path, ModalWeights(task_objective, rotated(path), hidden, tau, start), tau)


def drawn_layers(dims, rng, times):
    """Draw independent Gaussian layers for each time."""
    widths = list(zip(dims[1:], dims[:-1], strict=True))
    return [tuple(rng.standard_normal(shape) / np.sqrt(shape[1]) for shape in widths) for _ in range(times)]


def rotation(n, rng):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def root_of(matrix):
    """Symmetric square root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.where(values > 1e-12 * values[-1], values, 0.0))) @ vectors.T


def _moments(inputs, targets, samples):
    n_samples = len(inputs)
    return Moments(
        targets.T @ inputs / n_samples,
        inputs.T @ inputs / n_samples,
        np.sum(targets**2) / n_samples,
        Samples(inputs, targets) if samples else None,
    )
