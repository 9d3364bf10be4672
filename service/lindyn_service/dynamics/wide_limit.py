"""Two layers with a wide hidden layer of random weights: the limit in which their representations start isotropic.

With a = n_hidden v1 and b = n_hidden v2, v1 and v2 the variances of the entries, the representations start as a I and
b I, and white inputs conserve the function of W that they are,
w1^T w1 = (a - b)/2 + (W^T W + nu^2)^{1/2}, w2 w2^T = (b - a)/2 + (W W^T + nu^2)^{1/2}, nu = (a + b)/2.
So W learns as that of a balanced network with |lambda| = a + b and as many hidden units as its wider side.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.closed_form import ClosedForm, closed_form
from lindyn_service.dynamics.modal_loss import Objective
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.modes import diagonal
from lindyn_service.dynamics.random_weights import Scheme, variance
from lindyn_service.dynamics.riccati import Factors

Pair = tuple[Float[np.ndarray, "*time hidden in"], Float[np.ndarray, "*time out hidden"]]
"""First and second layer."""


@dataclass(frozen=True)
class Isotropy:
    """How near two layers are to the limit of wide random ones.

    Attributes:
        lambda_eff: ||w1||_F^2 / in + ||w2||_F^2 / out, in squared units of the weights: wide networks learn as balanced
            ones with this |lambda|.
        residual: the larger of the distances of w1^T w1 and of w2 w2^T from the nearest multiple of the identity,
            relative, Frobenius; 0 for layers of zeros.
    """

    lambda_eff: float
    residual: float


@dataclass(frozen=True)
class WideLimit:
    """The limit, solved for white inputs; times are in units of the time constant.

    Attributes:
        solution: of the balanced network that has the same network function at all times. Limits, convergence times
            and changes of both Gram matrices are those of the wide network, too.
        a: n_hidden v1, the multiple of the identity that w1^T w1 starts as.
        b: n_hidden v2, the same of w2 w2^T.
        hidden: width of the wide layer.
    """

    solution: ClosedForm
    a: float
    b: float
    hidden: int

    @property
    def lam(self) -> float:
        """Balance of the equivalent network, in squared units of the weights."""
        return self.solution.modes.lam

    def frame(
        self, objective: Objective, factors: Factors, time_constant: float, start: ModalWeights | None = None
    ) -> ModalWeights:
        """The frame of the wide network; its weights are known up to a rotation of the hidden units.

        Args:
            objective: that of the white-input task.
            factors: of `solution` at some times.
            time_constant: tau, in the unit of times.
            start: the frame at time 0; None for this itself.
        """
        layers = representing(factors.out @ factors.into.transpose(0, 2, 1), self.a, self.b)
        return ModalWeights(objective, layers, (self.hidden,), time_constant, start)


def isotropy(w1: Float[np.ndarray, "hidden in"], w2: Float[np.ndarray, "out hidden"]) -> Isotropy:
    """Measure given layers.

    Source: Tu, Aranguri and Jacot (2024), arXiv 2405.17580, for equal variances; docs/theory.md, section 7.
    """
    _, exponent = np.frexp(max(np.max(np.abs(w1)), np.max(np.abs(w2))))
    w1, w2 = np.ldexp(w1, -exponent), np.ldexp(w2, -exponent)  # squares of tiny weights would vanish
    sizes = float(np.sum(w1 * w1)) / w1.shape[1] + float(np.sum(w2 * w2)) / len(w2)
    residual = max(_anisotropy(w1.T), _anisotropy(w2))
    return Isotropy(float(np.ldexp(sizes, 2 * exponent)), residual)


def predicted_lambda_eff(dims: tuple[int, int, int], scheme: Scheme, gains: Sequence[float]) -> float:
    """Mean of `lambda_eff` over random draws, n_hidden (v1 + v2).

    Args:
        dims: widths (in, hidden, out).
        scheme: how the variances depend on the widths.
        gains: of both layers.

    Source: the mean of a sum of squares; docs/theory.md, section 7.
    """
    return sum(strengths(dims, scheme, gains))


def strengths(dims: tuple[int, int, int], scheme: Scheme, gains: Sequence[float]) -> tuple[float, float]:
    """The numbers a = n_hidden v1 and b = n_hidden v2 of a scheme.

    Args:
        dims: widths (in, hidden, out).
        scheme: how the variances depend on the widths.
        gains: of both layers.

    Source: as for `variance`.
    """
    n_in, n_hidden, n_out = dims
    first, second = gains
    return n_hidden * variance(scheme, n_in, n_hidden, first), n_hidden * variance(scheme, n_hidden, n_out, second)


def wide_limit(
    start: Float[np.ndarray, "out in"], sigma_yx: Float[np.ndarray, "out in"], a: float, b: float, hidden: int
) -> WideLimit:
    """Solve the limit for white inputs.

    Its loss deviates from that of a network of finite width by about n_hidden^{-1/2}.

    Args:
        start: network function at time 0: zeros for the limit itself, w2 w1 of drawn layers for these.
        sigma_yx: white-input task.
        a: n_hidden times the variance of the entries of w1.
        b: the same of w2.
        hidden: width of the hidden layer.

    Source: Tu, Aranguri and Jacot (2024), arXiv 2405.17580, for a = b; docs/theory.md, section 7.
    """
    w1, w2, lam = _balanced(start, a + b)
    return WideLimit(closed_form(w1, w2, sigma_yx, lam), a, b, hidden)


def representing(functions: Float[np.ndarray, "*time out in"], a: float, b: float) -> Pair:
    """Layers with in + out hidden units that have the network function and the representations of the limit.

    The flow from these, at time 0, is the limit for inputs of any covariance.

    Args:
        functions: W.
        a: n_hidden v1.
        b: n_hidden v2.

    Source: docs/theory.md, section 7.
    """
    if a < b:
        first, second = representing(functions.mT, b, a)
        return second.mT, first.mT
    n_out, n_in = functions.shape[-2:]
    rank = min(n_in, n_out)
    u, s, vt = np.linalg.svd(functions, full_matrices=True)
    into, rest = np.full((*s.shape[:-1], n_in), a), np.full((*s.shape[:-1], n_out), b)
    into[..., :rank] = np.hypot(s, (a + b) / 2) + (a - b) / 2  # eigenvalues of w1^T w1
    shares = np.divide(s, into[..., :rank], out=np.zeros_like(s), where=into[..., :rank] > 0)
    if a > 0:
        rest[..., :rank] = b * (a / into[..., :rank])  # what hidden units of its own add to w2 w2^T
    roots = np.sqrt(into)
    w1 = np.zeros((*s.shape[:-1], n_in + n_out, n_in))
    w2 = np.zeros((*s.shape[:-1], n_out, n_in + n_out))
    w1[..., :n_in, :] = roots[..., None] * vt
    w2[..., :rank] = u[..., :rank] * (shares * roots[..., :rank])[..., None, :]
    w2[..., n_in:] = u * np.sqrt(rest)[..., None, :]
    return w1, w2


def _balanced(
    start: Float[np.ndarray, "out in"], size: float
) -> tuple[Float[np.ndarray, "hidden in"], Float[np.ndarray, "out hidden"], float]:
    """Balanced layers of a function with |lambda| = size, of the sign that the widths allow."""
    n_out, n_in = start.shape
    if n_in < n_out:
        w1, w2, lam = _balanced(start.T, size)
        return w2.T, w1.T, -lam
    u, s, vt = np.linalg.svd(start, full_matrices=True)
    larger = np.full(n_in, size)
    larger[:n_out] = np.hypot(s, size / 2) + size / 2
    larger = np.sqrt(larger)
    smaller = np.divide(s, larger[:n_out], out=np.zeros_like(s), where=larger[:n_out] > 0)
    # any rotation of the hidden units will do; this one leaves the larger layer of a small start nearly diagonal
    return (vt.T * larger) @ vt, u @ diagonal(smaller, start.shape) @ vt, -size


def _anisotropy(factor: Float[np.ndarray, "rows hidden"]) -> float:
    """Relative distance of factor factor^T from a multiple of the identity; the smaller Gram matrix tells it."""
    rows, columns = factor.shape
    gram = factor @ factor.T if rows <= columns else factor.T @ factor
    size, mean = float(np.linalg.norm(gram)), float(np.trace(gram)) / rows
    unseen = np.sqrt(max(rows - columns, 0)) * mean
    distance = np.hypot(np.linalg.norm(gram - mean * np.eye(len(gram))), unseen)
    return float(distance) / size if size > 0 else 0.0
