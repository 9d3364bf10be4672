"""Loss in the singular bases of the task, in which all observables are evaluated."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.modes import Modes
from lindyn_service.dynamics.tasks import Moments, Samples, fitted
from lindyn_service.dynamics.white_inputs import WhiteTask


@dataclass(frozen=True)
class Objective:
    """Loss function and data in the coordinates of the singular vectors of sigma_yx.

    A network function W has the coordinates u^T W v. Its loss is 1/2 ||(u^T W v - best) root||_F^2 + irreducible.

    Attributes:
        u: left singular vectors; omitted ones are orthogonal to the outputs of the network and to the targets that it
            can learn.
        s: singular values of sigma_yx, or of the equivalent white-input task if inputs are isotropic.
        v: right singular vectors in the coordinates of the inputs, (in, rank).
        best: network function of least loss in these coordinates, (left, rank).
        root: sigma_xx^{1/2}, (rank, rank); a number represents a multiple of the identity.
        inverse: sigma_xx^+, (rank, rank); a number represents a multiple of the identity.
        irreducible: loss of the best network function; None if the scale of the targets is unknown.
        samples: training data; None if only their moments are known.
        rest_variance: variance of the inputs in the directions orthogonal to v, which the network does not use.
    """

    u: Float[np.ndarray, "out left"]
    s: Float[np.ndarray, " mode"]
    v: Float[np.ndarray, "in rank"]
    best: Float[np.ndarray, "left rank"]
    root: Float[np.ndarray, "rank rank"] | float
    inverse: Float[np.ndarray, "rank rank"] | float
    irreducible: float | None
    samples: Samples | None
    rest_variance: float = 0.0

    @cached_property
    def inputs(self) -> Float[np.ndarray, "sample rank"]:
        """Inputs, whose rows are samples; without samples X = sigma_xx^{1/2}, so that X X^T = sigma_xx."""
        return times_root(self.v, self.root) if self.samples is None else self.samples.inputs @ self.v

    @property
    def inputs_gram(self) -> Float[np.ndarray, "sample sample"]:
        """Matrix X^T X, including the directions of the inputs that the network does not use."""
        if self.samples is not None:
            return self.samples.inputs @ self.samples.inputs.T
        rest = np.eye(len(self.v)) - self.v @ self.v.T if self.rest_variance else 0.0
        return self.inputs @ self.inputs.T + self.rest_variance * rest

    @cached_property
    def targets(self) -> Float[np.ndarray, "sample left"]:
        """Targets, whose rows are samples; without samples Y = sigma_yx X^+, so that Y X^T = sigma_yx."""
        return self.inputs @ self.best.T if self.samples is None else self.samples.targets @ self.u

    def error_of(self, residual: Float[np.ndarray, "time out in"]) -> Float[np.ndarray, "time out rank"]:
        """Errors u^T (W - best) v from residuals sigma_yx - W sigma_xx, without cancellation."""
        return -times_root(self.u.T @ residual @ self.v, self.inverse)

    @property
    def inputs_root(self) -> Float[np.ndarray, "rank rank"] | float:
        """Matrix (X X^T)^{1/2}, which unlike `root` is not divided by the number of samples."""
        return self.root if self.samples is None else float(np.sqrt(len(self.samples.inputs))) * self.root


def white_objective(white: WhiteTask, basis: Modes, samples: Samples | None) -> Objective:
    """Objective of a white-input task, or of a task that is equivalent to one.

    Args:
        white: equivalent white-input task.
        basis: singular modes of this task.
        samples: samples in the coordinates of the inputs; None if only moments are known.

    Source: Saxe et al. (2014), arXiv 1312.6120, the loss in the singular bases of the task.
    """
    best = np.zeros((len(basis.u), len(basis.v)))
    np.fill_diagonal(best, basis.s)
    v = basis.v if white.basis is None else white.basis @ basis.v
    root, inverse = float(np.sqrt(white.variance)), float(1 / white.variance)
    return Objective(basis.u, basis.s, v, best, root, inverse, white.irreducible_loss, samples)


def objective(moments: Moments) -> Objective:
    """Objective of any task, whose best network function is sigma_yx sigma_xx^+.

    Source: Saxe et al. (2014), arXiv 1312.6120, the loss with its square completed.
    """
    u, s, vt = np.linalg.svd(moments.sigma_yx, full_matrices=True)
    fit, root, inverse = fitted(moments), np.eye(len(vt)), np.eye(len(vt))
    if moments.sigma_xx is not None:
        along = vt @ fit.right.T
        root, inverse = (along * np.sqrt(fit.variances)) @ along.T, (along / fit.variances) @ along.T
    return Objective(u, s, vt.T, u.T @ fit.best @ vt.T, root, inverse, fit.loss, moments.samples)


def times_root(
    matrix: Float[np.ndarray, "*any rank"], root: Float[np.ndarray, "rank rank"] | float
) -> Float[np.ndarray, "*any rank"]:
    """Product matrix @ root, where a number represents a multiple of the identity."""
    if isinstance(root, float):
        return matrix if root == 1.0 else matrix * root
    return matrix @ root
