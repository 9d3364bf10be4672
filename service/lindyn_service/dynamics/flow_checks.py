"""Checks of integrated networks: drift of the conserved balance, and distance between two integrations."""

from itertools import pairwise

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.layers import Layers


def balance_drift(layers: Layers, initial: Layers, left: Float[np.ndarray, " time"] | None = None) -> float:
    """Largest change of W_l+1^T W_l+1 - W_l W_l^T, which the flow conserves, relative to the weights' squared norm.

    Args:
        layers: layers at some times, (time, width l+1, width l) each.
        initial: initial layers, (width l+1, width l) each.
        left: factor e^{-2 gamma t} by which equal weight decay of all layers reduces the matrix at each time; None
            without weight decay.

    Source: Du et al. (2018), arXiv 1806.00900, Theorem 2.1.
    """
    size = sum(float(np.max(np.einsum("tij,tij->t", w, w))) for w in layers)
    drift = 0.0
    for (lower, upper), (lower_0, upper_0) in zip(pairwise(layers), pairwise(initial), strict=True):
        change = upper.transpose(0, 2, 1) @ upper - lower @ lower.transpose(0, 2, 1)
        start = upper_0.T @ upper_0 - lower_0 @ lower_0.T
        change -= start if left is None else left[:, None, None] * start
        drift = max(drift, float(np.sqrt(np.max(np.einsum("tij,tij->t", change, change)))))
    return drift / size if size > 0 else 0.0


def distance(first: Layers, second: Layers) -> float:
    """Largest Frobenius distance over the times, of all layers together, relative to the norm of the first network.

    Args:
        first: layers, (time, width l+1, width l) each.
        second: layers of the same shapes.
    """
    gaps = sum(np.einsum("tij,tij->t", a - b, a - b) for a, b in zip(first, second, strict=True))
    sizes = sum(np.einsum("tij,tij->t", a, a) for a in first)
    ratios = np.divide(gaps, sizes, out=np.zeros_like(gaps), where=sizes > 0)
    return float(np.sqrt(np.max(ratios)))
