"""Random regression tasks and balanced networks of equal widths, stacked along a leading trial axis."""

from collections.abc import Sequence

import numpy as np

from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.modal_loss import objective
from lindyn_service.dynamics.tasks import regression

_SCALE = 1.0  # standard deviation of the Gaussian matrices behind the weights, as published

Sources = Sequence[np.random.Generator]
"""One random generator for each trial."""


def regression_trials(size: int, samples: int, sources: Sources) -> tuple[np.ndarray, np.ndarray]:
    """Draw Gaussian targets on whitened Gaussian inputs.

    Args:
        size: number of inputs, and of outputs.
        samples: number of samples of a task, at least the number of inputs.
        sources: one random generator for each trial.

    Returns:
        sigma_yx, (trial, out, in), and the loss of the best network function, (trial,).
    """
    tasks = [regression(size, size, samples, rng) for rng in sources]
    irreducible = [objective(task).irreducible or 0.0 for task in tasks]
    return np.stack([task.sigma_yx for task in tasks]), np.array(irreducible)


def balanced_trials(size: int, lam: float, sources: Sources) -> tuple[np.ndarray, np.ndarray]:
    """Draw unaligned balanced weights.

    Args:
        size: number of units of each layer.
        lam: lambda of the weights.
        sources: one random generator for each trial.

    Returns:
        w1 (trial, hidden, in) and w2 (trial, out, hidden).
    """
    networks = [balanced_weights((size, size, size), lam, _SCALE, rng) for rng in sources]
    first, second = zip(*networks, strict=True)
    return np.stack(first), np.stack(second)


def excess(error: np.ndarray) -> np.ndarray:
    """Return the excess loss 1/2 ||W - sigma_yx||_F^2 of errors W - sigma_yx of network functions, (.., out, in)."""
    return 0.5 * np.einsum("...ij,...ij->...", error, error)
