"""Many networks early in training, by the formula of `riccati`, which is well-conditioned while little is learned.

Products of the initial weights are formed once; only their time-dependent factors differ between times, as in
`growth_scaling.unscaled`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.block_terms import Terms
from lindyn_service.dynamics.inverse_roots import inverse_roots
from lindyn_service.dynamics.phi import phi

_MAX_GROWTH = 300.0  # the square of e^300 does not overflow
_MAX_RATIO = 30.0  # as in `inverse_roots`
_CANCELLATION_THRESHOLD = 1e-2  # as in `riccati`: smaller errors lose digits when the task is subtracted

_Sides = tuple[Float[np.ndarray, "network time minor pivot"], Float[np.ndarray, "network time major pivot"]]


@dataclass(frozen=True)
class Early:
    """Weights of many networks at some times early in training.

    Attributes:
        minor: minor layer in the singular bases of the task, up to rotations of the hidden units.
        major: major layer, up to the same rotations.
        errors: errors u^T (W - sigma_yx) v, or their transposes if the layers are exchanged.
        known: where the layers are accurate.
        far: where the errors are large enough to be accurate after the task is subtracted.
    """

    minor: Float[np.ndarray, "network time minor pivot"]
    major: Float[np.ndarray, "network time major pivot"]
    errors: Float[np.ndarray, "network time major minor"]
    known: Bool[np.ndarray, "network time"]
    far: Bool[np.ndarray, "network time"]


def early(terms: Terms, times: Float[np.ndarray, "any_times time"]) -> Early:
    """Evaluate the weights and the errors of the network functions.

    Args:
        terms: prepared networks.
        times: in units of the time constants, one row for all networks or one for each.

    Source: Braun et al. (2022), arXiv 2206.03738, the exact solution in the eigenbasis of F.
    """
    lower, m = terms.start.lower, terms.n_modes
    f, t = terms.f[:, None], times[:, :, None]
    size = np.log1p(np.max(np.abs(lower), axis=(1, 2)))[:, None]
    is_finite = terms.f[:, :1] * times + np.log1p(times) + size < _MAX_GROWTH
    growth = np.exp(np.minimum(f * t, _MAX_GROWTH))
    weights = t * phi(2 * np.abs(f) * t) * np.maximum(growth, 1.0) ** 2
    roots, ratios = _inverse_roots(lower, weights)
    minor, major = (side @ roots for side in _sides(terms, t, growth))
    errors = major @ minor.transpose(0, 1, 3, 2)
    np.einsum("btii->bti", errors[:, :, :m, :m])[:] -= terms.modes.one.s
    far = np.max(np.abs(errors), axis=(2, 3)) >= _CANCELLATION_THRESHOLD * terms.modes.one.s[0]
    return Early(minor, major, errors, is_finite & (ratios <= _MAX_RATIO), far)


def _inverse_roots(
    lower: Float[np.ndarray, "network row pivot"], weights: Float[np.ndarray, "any_network time row"]
) -> tuple[Float[np.ndarray, "network time pivot pivot"], Float[np.ndarray, "network time"]]:
    """Inverse roots of lower^T diag(weights) lower + I, with their ratios, by `inverse_roots`."""
    n_networks, n_rows, k = lower.shape
    products = (lower[:, :, :, None] * lower[:, :, None, :]).reshape(n_networks, n_rows, k * k)
    matrices = (weights @ products).reshape(-1, k, k)
    roots, ratios = inverse_roots(matrices, np.ones(matrices.shape[:2]))
    return roots.reshape(n_networks, -1, k, k), ratios.reshape(n_networks, -1)


def _sides(
    terms: Terms, t: Float[np.ndarray, "any_times time 1"], growth: Float[np.ndarray, "any_network time row"]
) -> _Sides:
    """Both layers before multiplication by the inverse roots, as in `riccati`."""
    lower, m, basis = terms.start.lower, terms.n_modes, terms.modes
    n_rows = lower.shape[1]
    p, q = basis.p[:, None], basis.q[:, None]
    growth_of_modes, decay = growth[:, :, :m], growth[:, :, n_rows - m :][:, :, ::-1]
    rows, initial = lower[:, None, :m], terms.start.minor[:, None]
    shape = (len(lower), growth.shape[1])
    minor = np.empty((*shape, basis.one.n_minor, lower.shape[2]))
    major = np.empty((*shape, basis.one.n_major, lower.shape[2]))
    # e^{kappa t} - e^{-kappa t} without cancellation
    growth_difference = -np.expm1(-2 * terms.f[:, None, :m] * t) * growth_of_modes
    minor[:, :, :m] = (p * growth_difference)[..., None] * rows + decay[..., None] * initial
    ratio = p / q
    grown = (q * growth_of_modes * (1 + (ratio * decay) ** 2))[..., None] * rows
    major[:, :, :m] = grown - (ratio * decay)[..., None] * initial
    if n_rows > 2 * m:
        wider = major if basis.one.n_major > m else minor
        wider[:, :, m:] = growth[:, :, m : n_rows - m, None] * lower[:, None, m : n_rows - m]
    return minor, major
