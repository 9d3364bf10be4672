"""Random regression tasks and balanced networks of equal widths, many of them side by side."""

from collections.abc import Sequence

import numpy as np

from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.modal_loss import objective
from lindyn_service.dynamics.tasks import regression

_SCALE = 1.0  # standard deviation of the Gaussian matrices behind the weights, as published

Sources = Sequence[np.random.Generator]
"""Of randomness, one for each trial."""


def regression_trials(size: int, samples: int, sources: Sources) -> tuple[np.ndarray, np.ndarray]:
    """Draw Gaussian targets on whitened Gaussian inputs.

    Args:
        size: inputs, and outputs.
        samples: of a task, at least as many as inputs.
        sources: one for each trial.

    Returns:
        sigma_yx, (trial, out, in), and the loss of the best network function, (trial,).
    """
    drawn = [regression(size, size, samples, rng) for rng in sources]
    best = [objective(task).irreducible or 0.0 for task in drawn]
    return np.stack([task.sigma_yx for task in drawn]), np.array(best)


def balanced_trials(size: int, lam: float, sources: Sources) -> tuple[np.ndarray, np.ndarray]:
    """Draw unaligned balanced weights.

    Args:
        size: units of each layer.
        lam: balance of the weights.
        sources: one for each trial.

    Returns:
        w1 (trial, hidden, in) and w2 (trial, out, hidden).
    """
    drawn = [balanced_weights((size, size, size), lam, _SCALE, rng) for rng in sources]
    first, second = zip(*drawn, strict=True)
    return np.stack(first), np.stack(second)


def excess(error: np.ndarray) -> np.ndarray:
    """1/2 ||W - sigma_yx||_F^2 of errors W - sigma_yx of network functions, (.., out, in)."""
    return 0.5 * np.einsum("...ij,...ij->...", error, error)
