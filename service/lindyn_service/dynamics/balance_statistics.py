"""Mean and variance of the balance B = w2^T w2 - w1 w1^T of independent random weights, in theory and in samples."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.random_weights import Scheme, kurtosis, standard_entries, variance

_NUMBERS_PER_BATCH = 2**18  # weights and balances of a batch take 2 MiB, or the memory of one sample if that is larger
_PER_FAN_IN = {
    "lecun": 1.0,
    "he": 2.0,
    "scaled": 1.0,
    "torch": 1 / 3,
}  # variance times fan_in, for the schemes that do not depend on fan_out


@dataclass(frozen=True)
class Statistics:
    """Mean and variance of each entry of B."""

    mean: Float[np.ndarray, "hidden hidden"]
    variance: Float[np.ndarray, "hidden hidden"]


@dataclass(frozen=True)
class Entries:
    """Mean and variance of B for any hidden width: E B = lam I, and the variances on and off the diagonal."""

    lam: float
    diagonal: float
    off_diagonal: float


@dataclass(frozen=True)
class Limits:
    """Limits of the mean balance lam in k = hidden / in and r = out / in; None where it tends to +infinity.

    Attributes:
        narrow_output: limit r -> 0 at the given k.
        wide_output: limit r -> infinity at the given k.
        narrow_hidden: limit k -> 0 at the given r.
        wide_hidden: limit k -> infinity at the given r.
    """

    narrow_output: float
    wide_output: float | None
    narrow_hidden: float | None
    wide_hidden: float


def predicted(dims: tuple[int, int, int], a1: float, a2: float, entry_kurtosis: float = 3.0) -> Statistics:
    """Mean and variance of B for independent entries of w1 and w2 with mean 0 and the variances a1 and a2.

    E B = (out a2 - in a1) I, and Var B_ab = (out a2^2 + in a1^2) (1 + (k - 2) delta_ab), where k is the kurtosis of the
    entries, 3 for Gaussian ones.

    Args:
        dims: widths (in, hidden, out).
        a1: variance of the entries of w1.
        a2: variance of the entries of w2.
        entry_kurtosis: kurtosis of the entries of w1 and w2.

    Source: thesis Theorem 3.1.1 with 2 on the diagonal of the variance, where it prints 4: Var w^2 = 2 a^2.
    """
    n_in, n_hidden, n_out = dims
    entries = _entries(n_in, n_out, a1, a2, entry_kurtosis)
    spread = np.full((n_hidden, n_hidden), entries.off_diagonal)
    np.fill_diagonal(spread, entries.diagonal)
    return Statistics(np.diag(np.full(n_hidden, entries.lam)), spread)


def tabulated(scheme: Scheme, n_in: int | float, k: float, r: float, gains: tuple[float, float]) -> Entries:
    """Mean and variance of B for a scheme, by the relative widths k = hidden / in and r = out / in.

    k and r are any positive numbers; the widths that they give need not be integers.

    Source: thesis tables 3.1 and 3.2 with the variance of Theorem 3.1.1 corrected; for scaled weights table 3.2 lacks
    the squares of gain^2 in the variance.
    """
    a1 = variance(scheme, n_in, k * n_in, gains[0])
    a2 = variance(scheme, k * n_in, r * n_in, gains[1])
    return _entries(n_in, r * n_in, a1, a2, kurtosis(scheme))


def limits(scheme: Scheme, n_in: int | float, k: float, r: float, gains: tuple[float, float]) -> Limits:
    """Limits of the mean of B as the hidden or the output width tends to 0 or infinity relative to the inputs.

    Args:
        scheme: initialization scheme, which sets the variances by the widths.
        n_in: width of the inputs; only the limits of scheme "normal" depend on it.
        k: hidden / in, for the limits in r.
        r: out / in, for the limits in k.
        gains: positive gains of w1 and w2.

    Source: thesis table 3.3, corrected for glorot: -2/(k + 1), 2k/(k + 1), 0 and 0 with gains 1.
    """
    first, second = gains[0] * gains[0], gains[1] * gains[1]
    if scheme == "glorot":
        w1_mean = 2 * first / (k + 1)
        return Limits(-w1_mean, 2 * second - w1_mean, 2 * (second - first), 0.0)
    if scheme == "normal":
        any_hidden = n_in * (r * second - first)
        return Limits(-n_in * first, None, any_hidden, any_hidden)
    w1_mean = _PER_FAN_IN[scheme] * first
    return Limits(-w1_mean, None, None, -w1_mean)


def sampled(
    dims: tuple[int, int, int], scheme: Scheme, gains: tuple[float, float], samples: int, rng: np.random.Generator
) -> Statistics:
    """Mean and unbiased variance of B over random draws, in memory that does not grow with their number.

    Args:
        dims: widths (in, hidden, out).
        scheme: initialization scheme, which sets the variances by the widths.
        gains: positive gains of w1 and w2.
        samples: number of draws, at least 2.
        rng: random number generator.

    Raises:
        ValueError: fewer than 2 samples, for which no variance exists.

    Source: Chan, Golub & LeVeque (1983), 10.1080/00031305.1983.10483115, for combining the sums of batches.
    """
    if samples < 2:
        raise ValueError(f"a variance needs at least 2 samples, got {samples}")
    n_in, n_hidden, n_out = dims
    deviations = tuple(
        math.sqrt(variance(scheme, *fans, gain))
        for fans, gain in zip(((n_in, n_hidden), (n_hidden, n_out)), gains, strict=True)
    )
    batch_size = max(1, _NUMBERS_PER_BATCH // (n_hidden * (n_in + n_out + 2 * n_hidden)))
    mean, squares = np.zeros((n_hidden, n_hidden)), np.zeros((n_hidden, n_hidden))
    for done in range(0, samples, batch_size):
        new = min(batch_size, samples - done)
        b = _draw(dims, scheme, deviations, new, rng)
        batch_mean = b.mean(axis=0)
        b -= batch_mean
        shift = batch_mean - mean
        share = new / (done + new)
        mean += share * shift
        squares += np.einsum("sij,sij->ij", b, b) + (done * share) * shift * shift
    return Statistics(mean, squares / (samples - 1))


def _entries(n_in: int | float, n_out: int | float, a1: float, a2: float, entry_kurtosis: float) -> Entries:
    spread = n_out * a2 * a2 + n_in * a1 * a1
    return Entries(n_out * a2 - n_in * a1, (entry_kurtosis - 1) * spread, spread)


def _draw(
    dims: tuple[int, int, int], scheme: Scheme, deviations: tuple[float, ...], samples: int, rng: np.random.Generator
) -> Float[np.ndarray, "sample hidden hidden"]:
    n_in, n_hidden, n_out = dims
    w1 = deviations[0] * standard_entries(scheme, (samples, n_hidden, n_in), rng)
    w2 = deviations[1] * standard_entries(scheme, (samples, n_out, n_hidden), rng)
    return w2.mT @ w2 - w1 @ w1.mT
