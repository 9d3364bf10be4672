"""Limit of lambda-balanced networks as lambda -> +-infinity, and the one-layer network that it resembles."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.balance import broken_inequality
from lindyn_service.dynamics.least_squares import EPS, spanned
from lindyn_service.dynamics.phi import phi


@dataclass(frozen=True)
class Extreme:
    """Learning on white inputs at large |lambda| of one sign; rates are per time constant.

    The larger layer is nearly orthogonal and constant. Its column space (w2, lambda > 0) or row space (w1, lambda < 0)
    determines the part of the task that is learned at the rate |lambda|; the remaining part is learned only as this
    space rotates.

    Attributes:
        lam: balance that the rates belong to.
        exists: whether weights of these widths can have a balance of this sign.
        one_time_scale: whether the constant space is the full space, so that all modes are learned at the fast rate.
        fast_limit: network function after the fast phase, Pi sigma_yx (lambda > 0) or sigma_yx Pi (lambda < 0) with Pi
            the projector on the constant space; None if no such weights exist.
        fast_rate: |lambda|.
        slow_rates: rates s^2 / |lambda| at which the space rotates towards each mode of the task; empty with one time
            scale or at lambda = 0.
    """

    lam: float
    exists: bool
    one_time_scale: bool
    fast_limit: Float[np.ndarray, "out in"] | None
    fast_rate: float
    slow_rates: Float[np.ndarray, " mode"]


def extreme(
    w1: Float[np.ndarray, "hidden in"],
    w2: Float[np.ndarray, "out hidden"],
    sigma_yx: Float[np.ndarray, "out in"],
    lam: float,
) -> Extreme:
    """Describe learning at large |lambda| of the sign of lam; +0.0 and -0.0 select a sign, without slow rates.

    Args:
        w1: initial first layer, (hidden, in); its row space is constant for lam < 0.
        w2: initial second layer, (out, hidden); its column space is constant for lam > 0.
        sigma_yx: white-input task, (out, in).
        lam: balance, in squared units of the weights.

    Source: thesis Theorems 4.1.2 and 4.2.3, corrected: they hold for hidden = out (lam > 0) or hidden = in (lam < 0).
    """
    n_hidden, n_in = w1.shape
    n_out = len(w2)
    sign = math.copysign(1.0, lam)
    if broken_inequality(sign, n_in, n_hidden, n_out) is not None:
        return Extreme(lam, False, False, None, abs(lam), np.empty(0))
    one = n_hidden == (n_out if sign > 0 else n_in)
    basis = _column_space(w2 if sign > 0 else w1.T)
    fast = basis @ (basis.T @ sigma_yx) if sign > 0 else (sigma_yx @ basis) @ basis.T
    slow = np.empty(0) if one or lam == 0 else np.linalg.svd(sigma_yx, compute_uv=False) ** 2 / abs(lam)
    return Extreme(lam, True, one, fast, abs(lam), slow)


def lazy(
    w: Float[np.ndarray, "out in"],
    sigma_yx: Float[np.ndarray, "out in"],
    rate: float,
    times: Float[np.ndarray, " time"],
) -> Float[np.ndarray, "time out in"]:
    """Network function that approaches the task at one rate, sigma_yx + (W(0) - sigma_yx) e^{-rate t}.

    Args:
        w: network function at time 0.
        sigma_yx: white-input task, or the part of it that the fast phase learns.
        rate: |lambda|, per time constant.
        times: in units of the time constant.

    Source: thesis Theorem 4.2.3, for hidden = out (lambda > 0) or hidden = in (lambda < 0), up to O(1 / lambda^2).
    """
    return sigma_yx + (w - sigma_yx) * np.exp(-rate * times)[:, None, None]


def shallow(
    w0: Float[np.ndarray, "out in"],
    sigma_yx: Float[np.ndarray, "out in"],
    sigma_xx: Float[np.ndarray, "in in"] | None,
    times: Float[np.ndarray, " time"],
) -> Float[np.ndarray, "time out in"]:
    """Weights of a one-layer network, tau dW/dt = sigma_yx - W sigma_xx; directions without inputs stay constant.

    Args:
        w0: initial weights.
        sigma_yx: input-output correlation.
        sigma_xx: input correlation; None for white inputs.
        times: in units of the time constant.

    Source: Saxe et al. (2014), arXiv 1312.6120, shallow network.
    """
    if sigma_xx is None:
        return lazy(w0, sigma_yx, 1.0, times)
    rates, vectors = np.linalg.eigh(sigma_xx)
    present = spanned(rates)
    phases = times[:, None] * np.where(present, rates, 0.0)
    learned = (times[:, None] * phi(phases) * present)[:, None, :] * (sigma_yx @ vectors)
    return (np.exp(-phases)[:, None, :] * (w0 @ vectors) + learned) @ vectors.T


def _column_space(matrix: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows rank"]:
    """Orthonormal basis of the column space, where singular values at rounding level count as zero."""
    u, s, _ = np.linalg.svd(matrix, full_matrices=False)
    return u[:, s > max(matrix.shape) * EPS * s[0]]
