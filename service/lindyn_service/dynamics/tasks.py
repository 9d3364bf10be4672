"""What a network is trained on: second moments, all that linear networks see, and samples where there are any."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.haar import haar_columns

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
    """

    sigma_yx: Float[np.ndarray, "out in"]
    sigma_xx: Float[np.ndarray, "in in"] | None = None
    sigma_yy_trace: float | None = None
    samples: Samples | None = None


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
    if not whiten:
        return Moments(targets.T @ inputs / n_samples, inputs.T @ inputs / n_samples, trace, Samples(inputs, targets))
    left, strengths, right = np.linalg.svd(inputs, full_matrices=False)
    kept = strengths > max(inputs.shape) * EPS * strengths[0]
    left, right = left[:, kept], right[kept]
    sigma_yx = (targets.T @ left) @ right / np.sqrt(n_samples)
    full_rank = len(right) == inputs.shape[1]
    whitened = np.sqrt(n_samples) * left @ right
    return Moments(sigma_yx, None if full_rank else right.T @ right, trace, Samples(whitened, targets))


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
    return from_data(np.eye(n_items), np.stack(features, axis=1), whiten=False)


def spectrum(n_in: int, n_out: int, singular_values: Float[np.ndarray, " given"], rng: np.random.Generator) -> Moments:
    """White inputs with the given singular values of sigma_yx (zeros for the rest) and uniform singular vectors.

    Source: Saxe et al. (2014), arXiv 1312.6120, a task by its modes.
    """
    u, v = haar_columns(n_out, n_out, rng), haar_columns(n_in, n_in, rng)
    rank = len(singular_values)
    return Moments((u[:, :rank] * singular_values) @ v[:, :rank].T)
