"""Limit of two layers with a wide random hidden layer, whose representations are isotropic at time 0.

Let v1 and v2 be the variances of the entries, a = n_hidden v1 and b = n_hidden v2. The representations are a I and b I
at time 0. On white inputs they remain functions of W,
w1^T w1 = (a - b)/2 + (W^T W + nu^2)^{1/2}, w2 w2^T = (b - a)/2 + (W W^T + nu^2)^{1/2}, nu = (a + b)/2.
W therefore learns like that of a balanced network with |lambda| = a + b and as many hidden units as its wider side.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.modes import diagonal
from lindyn_service.dynamics.random_weights import Scheme, variance
from lindyn_service.dynamics.riccati import Factors

Pair = tuple[Float[np.ndarray, "*time hidden in"], Float[np.ndarray, "*time out hidden"]]
"""First and second layers."""


@dataclass(frozen=True)
class Isotropy:
    """Isotropy of the representations of two layers, which wide random layers have in the limit.

    Attributes:
        lambda_eff: ||w1||_F^2 / in + ||w2||_F^2 / out, in squared units of the weights; wide networks learn like
            balanced ones with this |lambda|.
        residual: the larger of the relative Frobenius distances of w1^T w1 and of w2 w2^T from the nearest multiple of
            the identity; 0 for layers of zeros.
    """

    lambda_eff: float
    residual: float


@dataclass(frozen=True)
class WideLayers:
    """Parameters of two wide layers of random weights, which determine their limit.

    Attributes:
        a: n_hidden v1; w1^T w1 = a I at time 0.
        b: n_hidden v2; w2 w2^T = b I at time 0.
        hidden: width of the wide layer.
    """

    a: float
    b: float
    hidden: int

    @property
    def lambda_eff(self) -> float:
        """|lambda| of the balanced network that learns the same function, in squared units of the weights."""
        return self.a + self.b

    def rescaled(self, squares: Sequence[float]) -> "WideLayers":
        """Parameters after dividing the layers by the square roots of two numbers, as for the plain flow."""
        first, second = squares
        return WideLayers(self.a / first, self.b / second, self.hidden)

    def represented(self, factors: Factors) -> Factors:
        """Layers with the representations of the limit, from those of the balanced network with its function."""
        w1, w2 = representing(factors.out @ factors.into.transpose(0, 2, 1), self.a, self.b)
        return Factors(w1.transpose(0, 2, 1), w2)


def isotropy(w1: Float[np.ndarray, "hidden in"], w2: Float[np.ndarray, "out hidden"]) -> Isotropy:
    """Measure the isotropy of the representations of given layers.

    Source: Tu, Aranguri and Jacot (2024), arXiv 2405.17580, for equal variances; docs/theory.md, section 7.
    """
    _, exponent = np.frexp(max(np.max(np.abs(w1)), np.max(np.abs(w2))))
    w1, w2 = np.ldexp(w1, -exponent), np.ldexp(w2, -exponent)  # otherwise squares of tiny weights underflow
    sizes = float(np.sum(w1 * w1)) / w1.shape[1] + float(np.sum(w2 * w2)) / len(w2)
    residual = max(_anisotropy(w1.T), _anisotropy(w2))
    return Isotropy(float(np.ldexp(sizes, 2 * exponent)), residual)


def predicted_lambda_eff(dims: tuple[int, int, int], scheme: Scheme, gains: Sequence[float]) -> float:
    """Mean of `lambda_eff` over random draws, n_hidden (v1 + v2).

    Args:
        dims: widths (in, hidden, out).
        scheme: initialization scheme, which sets the variances by the widths.
        gains: gains of both layers.

    Source: the mean of a sum of squares; docs/theory.md, section 7.
    """
    return wide_layers(dims, scheme, gains).lambda_eff


def wide_layers(dims: tuple[int, int, int], scheme: Scheme, gains: Sequence[float]) -> WideLayers:
    """Parameters of the limit for an initialization scheme.

    Args:
        dims: widths (in, hidden, out).
        scheme: initialization scheme, which sets the variances by the widths.
        gains: gains of both layers.

    Source: as for `variance`.
    """
    n_in, n_hidden, n_out = dims
    first, second = gains
    a, b = variance(scheme, n_in, n_hidden, first), variance(scheme, n_hidden, n_out, second)
    return WideLayers(n_hidden * a, n_hidden * b, n_hidden)


def representing(functions: Float[np.ndarray, "*time out in"], a: float, b: float) -> Pair:
    """Layers with in + out hidden units that have given network functions and the representations of the limit.

    Gradient flow from such layers at time 0 is the wide limit for inputs of any covariance.

    Args:
        functions: network functions W.
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
        rest[..., :rank] = b * (a / into[..., :rank])  # contribution to w2 w2^T of hidden units without input weights
    roots = np.sqrt(into)
    w1 = np.zeros((*s.shape[:-1], n_in + n_out, n_in))
    w2 = np.zeros((*s.shape[:-1], n_out, n_in + n_out))
    w1[..., :n_in, :] = roots[..., None] * vt
    w2[..., :rank] = u[..., :rank] * (shares * roots[..., :rank])[..., None, :]
    w2[..., n_in:] = u * np.sqrt(rest)[..., None, :]
    return w1, w2


def equivalent_balanced(
    start: Float[np.ndarray, "out in"], size: float
) -> tuple[Float[np.ndarray, "hidden in"], Float[np.ndarray, "out hidden"], float]:
    """Balanced layers whose network function is that of the limit at all times, on white inputs.

    The loss of a network of finite width deviates from theirs by about n_hidden^{-1/2}. Their limits, convergence times
    and changes of both Gram matrices are those of the wide network, too.

    Args:
        start: network function at time 0: zeros for the limit, or w2 w1 of drawn layers.
        size: |lambda| = a + b.

    Returns:
        Both layers, and lambda, with the sign that the widths allow: with as many hidden units as inputs, lambda < 0,
        for at least as many inputs as outputs, otherwise with as many as outputs, lambda > 0.

    Source: Tu, Aranguri and Jacot (2024), arXiv 2405.17580, for a = b; docs/theory.md, section 7.
    """
    n_out, n_in = start.shape
    if n_in < n_out:
        w1, w2, lam = equivalent_balanced(start.T, size)
        return w2.T, w1.T, -lam
    u, s, vt = np.linalg.svd(start, full_matrices=True)
    larger = np.full(n_in, size)
    larger[:n_out] = np.hypot(s, size / 2) + size / 2
    larger = np.sqrt(larger)
    smaller = np.divide(s, larger[:n_out], out=np.zeros_like(s), where=larger[:n_out] > 0)
    # this choice among the rotations of the hidden units makes the larger layer of a small start nearly diagonal
    return (vt.T * larger) @ vt, u @ diagonal(smaller, start.shape) @ vt, -size


def _anisotropy(factor: Float[np.ndarray, "rows hidden"]) -> float:
    """Relative distance of factor factor^T from a multiple of the identity, by the smaller of both Gram matrices."""
    rows, columns = factor.shape
    gram = factor @ factor.T if rows <= columns else factor.T @ factor
    size, mean = float(np.linalg.norm(gram)), float(np.trace(gram)) / rows
    unseen = np.sqrt(max(rows - columns, 0)) * mean
    distance = np.hypot(np.linalg.norm(gram - mean * np.eye(len(gram))), unseen)
    return float(distance) / size if size > 0 else 0.0
