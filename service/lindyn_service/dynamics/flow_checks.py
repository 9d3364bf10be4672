"""Checks of integrated networks: the drift of conserved quantities, and the distance between two integrations."""

from itertools import pairwise

import numpy as np

from lindyn_service.dynamics.flow import Layers


def balance_drift(layers: Layers, initial: Layers) -> float:
    """Largest change of the conserved W_l+1^T W_l+1 - W_l W_l^T, relative to the squared norm of the weights.

    Args:
        layers: layers at some times, (time, width l+1, width l) each.
        initial: layers at time 0, (width l+1, width l) each.

    Source: Du et al. (2018), arXiv 1806.00900, Theorem 2.1.
    """
    size = sum(float(np.max(np.einsum("tij,tij->t", w, w))) for w in layers)
    drift = 0.0
    for (lower, upper), (lower_0, upper_0) in zip(pairwise(layers), pairwise(initial), strict=True):
        change = upper.transpose(0, 2, 1) @ upper - lower @ lower.transpose(0, 2, 1)
        change -= upper_0.T @ upper_0 - lower_0 @ lower_0.T
        drift = max(drift, float(np.sqrt(np.max(np.einsum("tij,tij->t", change, change)))))
    return drift / size if size > 0 else 0.0


def distance(first: Layers, second: Layers) -> float:
    """Largest Frobenius distance over times between two networks, relative to the norm of the first.

    Args:
        first: layers of one network, (time, width l+1, width l) each.
        second: layers of the other network, of the same shapes.
    """
    gaps = sum(np.einsum("tij,tij->t", a - b, a - b) for a, b in zip(first, second, strict=True))
    sizes = sum(np.einsum("tij,tij->t", a, a) for a in first)
    ratios = np.divide(gaps, sizes, out=np.zeros_like(gaps), where=sizes > 0)
    return float(np.sqrt(np.max(ratios)))
