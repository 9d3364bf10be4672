"""Low-rank adaptation: the sum W0 + B A of a frozen network function W0 and a trained product B A."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.random_rotations import haar_columns
from lindyn_service.dynamics.tasks import Moments, Samples


def adaptation_task(moments: Moments, base: Float[np.ndarray, "out in"]) -> Moments:
    """Task that the product B A is trained on: the targets minus the outputs of the frozen function.

    The loss on this task is that of W0 + B A. Its correlation is sigma_yx - W0 sigma_xx, or sigma_yx - W0 for white
    inputs.

    Args:
        moments: moments of the data.
        base: W0, (out, in).

    Source: Hu et al. (2021), arXiv 2106.09685; docs/theory.md, section 3.
    """
    base_moment = base if moments.sigma_xx is None else base @ moments.sigma_xx
    trace, samples, fit = moments.sigma_yy_trace, moments.samples, moments.fit
    if samples is not None:
        samples = Samples(samples.inputs, samples.targets - samples.inputs @ base.T)
        trace = float(np.sum(samples.targets**2)) / len(samples.targets)
    elif trace is not None:
        trace += float(np.sum(base_moment * base)) - 2 * float(np.sum(base * moments.sigma_yx))
    if fit is not None:
        fit = replace(fit, best=fit.best - base @ fit.right.T @ fit.right)
    return Moments(moments.sigma_yx - base_moment, moments.sigma_xx, trace, samples, fit)


def adapters(
    dims: tuple[int, int, int], alpha: float, rng: np.random.Generator, *, gaussian: bool = False
) -> tuple[Float[np.ndarray, "rank in"], Float[np.ndarray, "out rank"]]:
    """Draw initial adapters: random A, and B = 0.

    Args:
        dims: widths (in, rank, out).
        alpha: norm of the rows of A, for Gaussian entries in the root mean square.
        rng: random number generator.
        gaussian: whether A has independent entries of variance alpha^2 / in, as in the source; otherwise its rows are
            orthogonal, A A^T = alpha^2 I, so that the weights are balanced with lambda = -alpha^2.

    Returns:
        A and B, the first and the second layer.

    Raises:
        ValueError: the rank exceeds the number of inputs, for which no orthogonal rows exist.

    Source: Hu et al. (2021), arXiv 2106.09685, section 4.1.
    """
    n_in, rank, n_out = dims
    if gaussian:
        return alpha / np.sqrt(n_in) * rng.standard_normal((rank, n_in)), np.zeros((n_out, rank))
    if rank > n_in:
        raise ValueError(f"orthogonal rows need rank <= in, got rank = {rank}, in = {n_in}: use Gaussian ones")
    return alpha * haar_columns(n_in, rank, rng).T, np.zeros((n_out, rank))
