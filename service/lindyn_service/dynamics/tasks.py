"""What a network is trained on: second moments, all that linear networks see, and samples where there are any."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.least_squares import Fit, of_moments, of_samples, principal_parts, unexplained
from lindyn_service.dynamics.random_rotations import haar_columns

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Samples:
    """Training data as the network sees them, whitened where that was asked; rows are samples."""

    inputs: Float[np.ndarray, "sample in"]
    targets: Float[np.ndarray, "sample out"]


@dataclass(frozen=True)
class Moments:
    """Second moments of the training data.

    Attributes:
        sigma_yx: Y X^T / P, (out, in).
        sigma_xx: X X^T / P, (in, in); None stands for the identity (white inputs).
        sigma_yy_trace: trace of Y Y^T / P; None when the targets' scale is unknown.
        samples: the data themselves; None when only moments were given.
        fit: the best network function as the data have it, to more digits than the moments; None without data.
    """

    sigma_yx: Float[np.ndarray, "out in"]
    sigma_xx: Float[np.ndarray, "in in"] | None = None
    sigma_yy_trace: float | None = None
    samples: Samples | None = None
    fit: Fit | None = None


def from_data(
    inputs: Float[np.ndarray, "sample in"], targets: Float[np.ndarray, "sample out"], *, whiten: bool
) -> Moments:
    """Take moments of data, rows are samples, without centring.

    Whitening replaces the inputs by sigma_xx^{-1/2} x (the symmetric square root, which stays closest to the given
    coordinates) on their span; when they do not span the space, sigma_xx becomes the projector on their span.

    Source: thesis (2.5) for the moments; Kessy et al. (2018), 10.1080/00031305.2016.1277159, ZCA whitening.
    """
    n_samples = len(inputs)
    trace = float(np.sum(targets * targets)) / n_samples
    parts = principal_parts(inputs)
    if not whiten:
        found = of_samples(inputs, targets, parts)
        sigma_yx, sigma_xx = targets.T @ inputs / n_samples, inputs.T @ inputs / n_samples
        return Moments(sigma_yx, sigma_xx, trace, Samples(inputs, targets), found)
    left, right = parts.left, parts.right
    sigma_yx = (targets.T @ left) @ right / np.sqrt(n_samples)
    full_rank = len(right) == inputs.shape[1]
    # whitened inputs span what the given ones do, and these are known better
    found = Fit(right, np.ones(len(right)), sigma_yx, unexplained(inputs, targets, parts))
    whitened = np.sqrt(n_samples) * left @ right
    return Moments(sigma_yx, None if full_rank else right.T @ right, trace, Samples(whitened, targets), found)


def fitted(moments: Moments) -> Fit:
    """Find the best network function, from the data where there are any.

    Source: Saxe et al. (2014), arXiv 1312.6120, the loss with its square completed.
    """
    return moments.fit or of_moments(moments.sigma_yx, moments.sigma_xx, moments.sigma_yy_trace)


def regression(n_in: int, n_out: int, n_samples: int, rng: np.random.Generator) -> Moments:
    """Gaussian targets on Gaussian inputs that are whitened exactly.

    Source: Braun et al. (2022), arXiv 2206.03738, random regression task.
    """
    inputs = rng.standard_normal((n_samples, n_in))
    targets = rng.standard_normal((n_samples, n_out))
    return from_data(inputs, targets, whiten=True)


def semantic(levels: int) -> Moments:
    """A hierarchy of 2^levels items, one unit input each.

    Feature 0 is 1 for every item; then, breadth first, one per inner node of the binary tree, +1 on the items in its
    left half, -1 in its right half, 0 elsewhere. Inputs are orthogonal, so sigma_xx = I / 2^levels.

    Source: Saxe et al. (2019), 10.1073/pnas.1820226116.
    """
    n_items = 2**levels
    features = [np.ones(n_items)]
    for level in range(levels):
        half = n_items >> (level + 1)
        for start in range(0, n_items, 2 * half):
            feature = np.zeros(n_items)
            feature[start : start + half], feature[start + half : start + 2 * half] = 1.0, -1.0
            features.append(feature)
    items, targets = np.eye(n_items), np.stack(features)
    trace = float(np.sum(targets * targets)) / n_items
    explained = Fit(items, np.ones(n_items) / n_items, targets, 0.0)
    return Moments(targets / n_items, items / n_items, trace, Samples(items, targets.T), explained)


def spectrum(n_in: int, n_out: int, singular_values: Float[np.ndarray, " given"], rng: np.random.Generator) -> Moments:
    """White inputs with the given singular values of sigma_yx (zeros for the rest) and uniform singular vectors.

    Source: Saxe et al. (2014), arXiv 1312.6120, a task by its modes.
    """
    u, v = haar_columns(n_out, n_out, rng), haar_columns(n_in, n_in, rng)
    rank = len(singular_values)
    return Moments((u[:, :rank] * singular_values) @ v[:, :rank].T)
