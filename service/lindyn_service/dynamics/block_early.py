"""Many networks early in training, by the formula of `riccati`, which is well-conditioned while little is learned.

Products of the initial weights are formed once; only their time-dependent factors differ between times, as in
`growth_scaling.unscaled`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.block_terms import Terms
from lindyn_service.dynamics.phi import phi
from lindyn_service.dynamics.stacks import Stack, Stacks, diagonals

_MAX_GROWTH = 300.0  # the square of e^300 does not overflow
_MAX_RATIO = 30.0  # as in `inverse_roots`
_CANCELLATION_THRESHOLD = 1e-2  # as in `riccati`: smaller errors lose digits when the task is subtracted

_Factors = Float[np.ndarray, "row any_network time"]


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

    minor: Stack
    major: Stack
    errors: Stack
    known: Bool[np.ndarray, "network time"]
    far: Bool[np.ndarray, "network time"]


def early(terms: Terms, times: Float[np.ndarray, "any_times time"], stacks: Stacks) -> Early:
    """Evaluate the weights and the errors of the network functions.

    Args:
        terms: prepared networks.
        times: in units of the time constants, one row for all networks or one for each.
        stacks: arithmetic on stacks of these networks and times.

    Source: Braun et al. (2022), arXiv 2206.03738, the exact solution in the eigenbasis of F.
    """
    lower, one = terms.start.lower, terms.modes.one
    exponents, k = terms.by_row(terms.f, times), lower.shape[2]
    size = np.log1p(np.max(np.abs(lower), axis=(1, 2)))[:, None]
    is_finite = exponents[0] + np.log1p(times) + size < _MAX_GROWTH
    growth = np.exp(np.minimum(exponents, _MAX_GROWTH))
    weights = times * phi(2 * np.abs(exponents)) * np.maximum(growth, 1.0) ** 2
    matrices = stacks.gram(lower, weights, stacks.empty("early_gram", k, k))
    diagonals(matrices)[:] += 1.0
    roots, ratios = stacks.inverse_roots(matrices)
    minor = stacks.product(_minor(terms, exponents, growth, stacks), roots, stacks.empty("early_minor", one.n_minor, k))
    major = stacks.product(_major(terms, growth, stacks), roots, stacks.empty("early_major", one.n_major, k))
    errors = stacks.empty("early_errors", one.n_major, one.n_minor)
    stacks.product(major, minor.transpose(1, 0, 2, 3), errors)
    diagonals(errors[: terms.n_modes, : terms.n_modes])[:] -= one.s[:, None, None]
    far = np.max(np.abs(errors), axis=(0, 1)) >= _CANCELLATION_THRESHOLD * one.s[0]
    return Early(minor, major, errors, is_finite & (ratios <= _MAX_RATIO), far)


def _minor(terms: Terms, exponents: _Factors, growth: _Factors, stacks: Stacks) -> Stack:
    """Minor layer before multiplication by the inverse roots, as in `riccati`."""
    lower, m = terms.start.lower, terms.n_modes
    side = stacks.empty("early_side", terms.modes.one.n_minor, lower.shape[2])
    # e^{kappa t} - e^{-kappa t} without cancellation
    difference = -np.expm1(-2 * exponents[:m]) * growth[:m]
    factors = terms.modes.p.T[:, :, None] * difference
    np.multiply(factors[:, None], _constant(lower[:, :m]), out=side[:m])
    side[:m] += _decay(terms, growth)[:, None] * _constant(terms.start.minor)
    _set_wider_rows(side, terms, growth)
    return side


def _major(terms: Terms, growth: _Factors, stacks: Stacks) -> Stack:
    """Major layer before multiplication by the inverse roots, as in `riccati`."""
    lower, m, basis = terms.start.lower, terms.n_modes, terms.modes
    side = stacks.empty("early_side", basis.one.n_major, lower.shape[2])
    left = (basis.p / basis.q).T[:, :, None] * _decay(terms, growth)
    factors = basis.q.T[:, :, None] * growth[:m] * (1 + left**2)
    np.multiply(factors[:, None], _constant(lower[:, :m]), out=side[:m])
    side[:m] -= left[:, None] * _constant(terms.start.minor)
    _set_wider_rows(side, terms, growth)
    return side


def _set_wider_rows(side: Stack, terms: Terms, growth: _Factors) -> None:
    """Set the rows of the wider layer that belong to no mode; the other layer has no such rows."""
    rows = slice(terms.n_modes, len(side))
    side[rows] = growth[rows, None] * _constant(terms.start.lower[:, rows])


def _decay(terms: Terms, growth: _Factors) -> Float[np.ndarray, "mode any_network time"]:
    """Factors of the decaying rows, in the order of the modes."""
    return growth[len(growth) - terms.n_modes :][::-1]


def _constant(values: Float[np.ndarray, "network row pivot"]) -> Float[np.ndarray, "row pivot network 1"]:
    """Stack of values that do not depend on time."""
    return values.transpose(1, 2, 0)[..., None]
