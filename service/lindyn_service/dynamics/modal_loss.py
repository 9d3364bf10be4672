"""The loss in the singular bases of the task, where all observables are read."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.modes import Modes
from lindyn_service.dynamics.tasks import Moments, Samples, fitted
from lindyn_service.dynamics.white_inputs import WhiteTask


@dataclass(frozen=True)
class Objective:
    """What the network is trained for, in coordinates of the singular vectors of sigma_yx.

    A network function W has the coordinates u^T W v. Its loss is 1/2 ||(u^T W v - best) root||_F^2 + irreducible.

    Attributes:
        u: left singular vectors; those that are left out are orthogonal to the network's outputs and to the targets
            that it can learn.
        s: singular values of sigma_yx, of the white-input task where inputs are isotropic.
        v: right singular vectors in the coordinates of the inputs, (in, rank).
        best: the best network function, (seen, rank).
        root: sigma_xx^{1/2}, (rank, rank); a number stands for a multiple of the identity.
        inverse: sigma_xx^+, likewise.
        irreducible: the loss of the best network function; None when the scale of the targets is unknown.
        samples: the training data; None when only their moments are known.
        rest_variance: of the inputs in the directions orthogonal to v, which the network does not see.
    """

    u: Float[np.ndarray, "out seen"]
    s: Float[np.ndarray, " mode"]
    v: Float[np.ndarray, "in rank"]
    best: Float[np.ndarray, "seen rank"]
    root: Float[np.ndarray, "rank rank"] | float
    inverse: Float[np.ndarray, "rank rank"] | float
    irreducible: float | None
    samples: Samples | None
    rest_variance: float = 0.0

    @cached_property
    def inputs(self) -> Float[np.ndarray, "sample rank"]:
        """Rows are samples; without any, X = sigma_xx^{1/2}, for which X X^T = sigma_xx."""
        return times_root(self.v, self.root) if self.samples is None else self.samples.inputs @ self.v

    @property
    def inputs_gram(self) -> Float[np.ndarray, "sample sample"]:
        """The matrix X^T X, with what the network does not see of the inputs."""
        if self.samples is not None:
            return self.samples.inputs @ self.samples.inputs.T
        rest = np.eye(len(self.v)) - self.v @ self.v.T if self.rest_variance else 0.0
        return self.inputs @ self.inputs.T + self.rest_variance * rest

    @cached_property
    def targets(self) -> Float[np.ndarray, "sample seen"]:
        """Rows are samples; without any, Y = sigma_yx X^+, for which Y X^T = sigma_yx."""
        return self.inputs @ self.best.T if self.samples is None else self.samples.targets @ self.u

    def error_of(self, residual: Float[np.ndarray, "time out in"]) -> Float[np.ndarray, "time out rank"]:
        """U^T (W - best) v of network functions W from sigma_yx - W sigma_xx, of which small ones keep their digits."""
        return -times_root(self.u.T @ residual @ self.v, self.inverse)

    @property
    def inputs_root(self) -> Float[np.ndarray, "rank rank"] | float:
        """(X X^T)^{1/2}, like `root` but not divided by the number of samples."""
        return self.root if self.samples is None else float(np.sqrt(len(self.samples.inputs))) * self.root


def white_objective(white: WhiteTask, basis: Modes, samples: Samples | None) -> Objective:
    """The objective of a white-input task, possibly in disguise.

    Args:
        white: the equivalent white-input problem.
        basis: its singular vectors.
        samples: in the coordinates of the inputs.

    Source: Saxe et al. (2014), arXiv 1312.6120, the loss in the singular bases of the task.
    """
    best = np.zeros((len(basis.u), len(basis.v)))
    np.fill_diagonal(best, basis.s)
    v = basis.v if white.basis is None else white.basis @ basis.v
    root, inverse = float(np.sqrt(white.variance)), float(1 / white.variance)
    return Objective(basis.u, basis.s, v, best, root, inverse, white.irreducible_loss, samples)


def objective(moments: Moments) -> Objective:
    """The objective of any task; the best network function is sigma_yx sigma_xx^+.

    Source: Saxe et al. (2014), arXiv 1312.6120, the loss with its square completed.
    """
    u, s, vt = np.linalg.svd(moments.sigma_yx, full_matrices=True)
    found, root, inverse = fitted(moments), np.eye(len(vt)), np.eye(len(vt))
    if moments.sigma_xx is not None:
        along = vt @ found.right.T
        root, inverse = (along * np.sqrt(found.variances)) @ along.T, (along / found.variances) @ along.T
    return Objective(u, s, vt.T, u.T @ found.best @ vt.T, root, inverse, found.loss, moments.samples)


def times_root(
    matrix: Float[np.ndarray, "*any rank"], root: Float[np.ndarray, "rank rank"] | float
) -> Float[np.ndarray, "*any rank"]:
    """`matrix @ root`, where a number stands for a multiple of the identity.

    Source: the definition of `Objective.root`.
    """
    if isinstance(root, float):
        return matrix if root == 1.0 else matrix * root
    return matrix @ root
