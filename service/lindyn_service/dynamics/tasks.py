"""Tasks: second moments, which determine the learning of linear networks, and samples if they are known."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.least_squares import Fit, of_moments, of_samples, principal_parts, unexplained
from lindyn_service.dynamics.random_rotations import haar_columns

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Samples:
    """Training data, whose rows are samples, after whitening if that was requested."""

    inputs: Float[np.ndarray, "sample in"]
    targets: Float[np.ndarray, "sample out"]


@dataclass(frozen=True)
class Moments:
    """Second moments of the training data.

    Attributes:
        sigma_yx: Y X^T / P, (out, in).
        sigma_xx: X X^T / P, (in, in); None for white inputs, sigma_xx = I.
        sigma_yy_trace: trace of Y Y^T / P; None if the scale of the targets is unknown.
        samples: training data; None if only moments are known.
        fit: least-squares solution from the data, which is more accurate than from moments; None without data.
    """

    sigma_yx: Float[np.ndarray, "out in"]
    sigma_xx: Float[np.ndarray, "in in"] | None = None
    sigma_yy_trace: float | None = None
    samples: Samples | None = None
    fit: Fit | None = None


def from_data(
    inputs: Float[np.ndarray, "sample in"], targets: Float[np.ndarray, "sample out"], *, whiten: bool
) -> Moments:
    """Compute the moments of data, whose rows are samples, without centring.

    Whitening replaces the inputs by sigma_xx^{-1/2} x on their span, with the symmetric square root, which changes the
    inputs least. If the inputs do not span the space, the whitened sigma_xx is the projector on their span.

    Source: thesis (2.5) for the moments; Kessy et al. (2018), 10.1080/00031305.2016.1277159, ZCA whitening.
    """
    n_samples = len(inputs)
    trace = float(np.sum(targets * targets)) / n_samples
    parts = principal_parts(inputs)
    if not whiten:
        fit = of_samples(inputs, targets, parts)
        sigma_yx, sigma_xx = targets.T @ inputs / n_samples, inputs.T @ inputs / n_samples
        return Moments(sigma_yx, sigma_xx, trace, Samples(inputs, targets), fit)
    left, right = parts.left, parts.right
    sigma_yx = (targets.T @ left) @ right / np.sqrt(n_samples)
    full_rank = len(right) == inputs.shape[1]
    # the original inputs have the same span, without the rounding errors of whitening
    fit = Fit(right, np.ones(len(right)), sigma_yx, unexplained(inputs, targets, parts))
    whitened = np.sqrt(n_samples) * left @ right
    return Moments(sigma_yx, None if full_rank else right.T @ right, trace, Samples(whitened, targets), fit)


def whitening(inputs: Float[np.ndarray, "sample in"]) -> Float[np.ndarray, "in in"]:
    """Symmetric matrix sigma_xx^{-1/2} on the span of inputs and 0 outside, by which `from_data` whitens them.

    Source: Kessy et al. (2018), 10.1080/00031305.2016.1277159, ZCA whitening.
    """
    parts = principal_parts(inputs)
    return np.sqrt(len(inputs)) * (parts.right.T / parts.strengths) @ parts.right


def fitted(moments: Moments) -> Fit:
    """Least-squares solution, from the data if they are known, otherwise from the moments.

    Source: Saxe et al. (2014), arXiv 1312.6120, the loss with its square completed.
    """
    return moments.fit or of_moments(moments.sigma_yx, moments.sigma_xx, moments.sigma_yy_trace)


def regression(n_in: int, n_out: int, n_samples: int, rng: np.random.Generator) -> Moments:
    """Draw a regression task with Gaussian targets and Gaussian inputs, which are whitened.

    Source: Braun et al. (2022), arXiv 2206.03738, random regression task.
    """
    inputs = rng.standard_normal((n_samples, n_in))
    targets = rng.standard_normal((n_samples, n_out))
    return from_data(inputs, targets, whiten=True)


def semantic(levels: int) -> Moments:
    """Semantic task: a hierarchy of 2^levels items, each of which is one unit vector as input.

    Feature 0 is 1 for every item. Each inner node of the binary tree, breadth first, adds a feature that is +1 for the
    items in its left half, -1 for those in its right half, and 0 elsewhere. Inputs are orthogonal, so that
    sigma_xx = I / 2^levels.

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
    """Draw a white-input task with given singular values, padded with zeros, and uniform singular vectors.

    Source: Saxe et al. (2014), arXiv 1312.6120, a task by its modes.
    """
    u, v = haar_columns(n_out, n_out, rng), haar_columns(n_in, n_in, rng)
    rank = len(singular_values)
    return Moments((u[:, :rank] * singular_values) @ v[:, :rank].T)
