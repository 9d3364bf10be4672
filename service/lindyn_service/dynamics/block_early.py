"""Many networks early in training, by the formula of `exact`: nothing there is ill-conditioned while little is learned.

The weights are kept as they are at time 0, and only their factors in time move (`scaling.unscaled`).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.block_terms import Terms
from lindyn_service.dynamics.inverse_roots import inverse_roots
from lindyn_service.dynamics.phi import phi

_LARGEST_GROWTH = 300.0  # exponent, whose exponential can be squared
_LARGEST_RATIO = 30.0  # as in `triangular`
_NEAR = 1e-2  # as in `exact`: below, subtraction of the task loses digits

_Sides = tuple[Float[np.ndarray, "network time minor pivot"], Float[np.ndarray, "network time major pivot"]]


@dataclass(frozen=True)
class Early:
    """Networks at some times.

    Attributes:
        minor: the minor layer in the singular bases of the task, up to rotations of the hidden units.
        major: the major layer.
        errors: distances u^T (W - sigma_yx) v, or their transposes where the layers are exchanged.
        known: where the layers have all their digits.
        far: where the distances have them too.
    """

    minor: Float[np.ndarray, "network time minor pivot"]
    major: Float[np.ndarray, "network time major pivot"]
    errors: Float[np.ndarray, "network time major minor"]
    known: Bool[np.ndarray, "network time"]
    far: Bool[np.ndarray, "network time"]


def early(terms: Terms, times: Float[np.ndarray, "any_times time"]) -> Early:
    """Evaluate the weights and their distances from the task.

    Args:
        terms: of the networks.
        times: in units of the time constants, one row for all networks or one for each.

    Source: Braun et al. (2022), arXiv 2206.03738, the exact solution in the eigenbasis of F.
    """
    lower, m = terms.start.lower, terms.n_modes
    f, t = terms.f[:, None], times[:, :, None]
    size = np.log1p(np.max(np.abs(lower), axis=(1, 2)))[:, None]
    small = terms.f[:, :1] * times + np.log1p(times) + size < _LARGEST_GROWTH
    growth = np.exp(np.minimum(f * t, _LARGEST_GROWTH))
    weights = t * phi(2 * np.abs(f) * t) * np.maximum(growth, 1.0) ** 2
    roots, ratios = _inverse_roots(lower, weights)
    minor, major = (side @ roots for side in _sides(terms, t, growth))
    errors = major @ minor.transpose(0, 1, 3, 2)
    np.einsum("btii->bti", errors[:, :, :m, :m])[:] -= terms.modes.one.s
    far = np.max(np.abs(errors), axis=(2, 3)) >= _NEAR * terms.modes.one.s[0]
    return Early(minor, major, errors, small & (ratios <= _LARGEST_RATIO), far)


def _inverse_roots(
    lower: Float[np.ndarray, "network row pivot"], weights: Float[np.ndarray, "any_network time row"]
) -> tuple[Float[np.ndarray, "network time pivot pivot"], Float[np.ndarray, "network time"]]:
    """Of lower^T diag(weights) lower + 1, with the ratios of `triangular.inverse_roots`."""
    n_networks, n_rows, k = lower.shape
    products = (lower[:, :, :, None] * lower[:, :, None, :]).reshape(n_networks, n_rows, k * k)
    matrices = (weights @ products).reshape(-1, k, k)
    roots, ratios = inverse_roots(matrices, np.ones(matrices.shape[:2]))
    return roots.reshape(n_networks, -1, k, k), ratios.reshape(n_networks, -1)


def _sides(
    terms: Terms, t: Float[np.ndarray, "any_times time 1"], growth: Float[np.ndarray, "any_network time row"]
) -> _Sides:
    """Both layers before their columns are normalised, as in `exact`."""
    lower, m, basis = terms.start.lower, terms.n_modes, terms.modes
    n_rows = lower.shape[1]
    p, q = basis.p[:, None], basis.q[:, None]
    grown, left = growth[:, :, :m], growth[:, :, n_rows - m :][:, :, ::-1]
    rows, start = lower[:, None, :m], terms.start.minor[:, None]
    shape = (len(lower), growth.shape[1])
    minor = np.empty((*shape, basis.one.n_minor, lower.shape[2]))
    major = np.empty((*shape, basis.one.n_major, lower.shape[2]))
    # e^{kappa t} - e^{-kappa t} without cancellation
    gone = -np.expm1(-2 * terms.f[:, None, :m] * t) * grown
    minor[:, :, :m] = (p * gone)[..., None] * rows + left[..., None] * start
    ratio = p / q
    major[:, :, :m] = (q * grown * (1 + (ratio * left) ** 2))[..., None] * rows - (ratio * left)[..., None] * start
    if n_rows > 2 * m:
        wider = major if basis.one.n_major > m else minor
        wider[:, :, m:] = growth[:, :, m : n_rows - m, None] * lower[:, None, m : n_rows - m]
    return minor, major
