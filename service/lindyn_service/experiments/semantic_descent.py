"""Gradient descent on the semantic task from several kinds of initial weights, with many trials in one array."""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from lindyn_service.dynamics.descent import walk
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.layers import Layers
from lindyn_service.dynamics.linear_descent import LinearDescent
from lindyn_service.dynamics.tasks import semantic
from lindyn_service.experiments.base import Cell, Parameter, Values

_BLOCK = 200

PROTOCOL = (
    "Items are unit vectors, so that sigma_xx = I / 8 with the 8 items of the published hierarchy. The curves that are "
    "published as lambda = +-10 are those of +-100: both are computed. The Gaussian matrices behind lambda-balanced "
    "weights have standard deviation 1, which reproduces the published initial losses and numbers of steps; 0.42, as "
    "behind the 0-balanced weights, does not. "
)
"""The choices that the published texts leave open, shared by both experiments on kinds of initial weights."""


def parameters() -> dict[str, Parameter]:
    """Return the parameters that both experiments on kinds of initial weights share."""
    return {
        "gaussian_scales": Parameter(
            (0.001, 0.42), "standard deviations of Gaussian weights without a balance", 1e-6, 2, longest=6
        ),
        "lambdas": Parameter((0.0, 10.0, -10.0, 100.0, -100.0), "balances of balanced weights", -150, 150, longest=12),
        "zero_scale": Parameter(0.42, "standard deviation of the Gaussian matrices behind 0-balanced weights", 1e-6, 2),
        "balanced_scale": Parameter(1.0, "standard deviation of those behind weights whose lambda is not 0", 1e-6, 2),
        "levels": Parameter(3, "splits of the semantic hierarchy; 2^levels units in each layer", 1, 5),
        "learning_rate": Parameter(0.01, "learning rate of gradient descent", 1e-6, 0.1),
        "steps": Parameter(20_000, "steps of gradient descent", 1, 100_000),
        "trials": Parameter(10, "initial weights of each kind", 1, 50),
        "seed": Parameter(0, "seed of the initial weights", 0, 2**32 - 1),
    }


def cells(values: Values) -> list[Cell]:
    """Return one cell for each kind of initial weights."""
    gaussian = [{"kind": "gaussian", "scale": scale, "lambda": 0.0} for scale in values["gaussian_scales"]]
    balanced = [
        {"kind": "balanced", "scale": values["balanced_scale" if lam else "zero_scale"], "lambda": lam}
        for lam in values["lambdas"]
    ]
    return [{**cell, "stream": stream} for stream, cell in enumerate([*gaussian, *balanced])]


def seconds(values: Values, steps: float) -> float:
    """Estimate the seconds that these steps of a cell take on one worker."""
    return 0.01 + steps * (1.2e-5 + 9.4e-9 * values["trials"] * 4 ** values["levels"])


def names(values: Values) -> list[str]:
    """Return the names of all kinds of initial weights."""
    gaussian = [f"Gaussian, scale {scale:g}" for scale in values["gaussian_scales"]]
    return [*gaussian, *(f"balanced, λ = {lam:g}" for lam in values["lambdas"])]


def draw_weights(values: Values, cell: Cell) -> Layers:
    """Draw initial weights of one kind, (trial, width, width) each."""
    size, scale = 2 ** values["levels"], cell["scale"]
    networks: list[tuple[np.ndarray, np.ndarray]] = []
    for trial in range(values["trials"]):
        rng = np.random.default_rng([values["seed"], cell["stream"], trial])
        if cell["kind"] == "gaussian":
            networks.append((scale * rng.standard_normal((size, size)), scale * rng.standard_normal((size, size))))
        else:
            networks.append(balanced_weights((size, size, size), cell["lambda"], scale, rng))
    return tuple(np.stack(layer) for layer in zip(*networks, strict=True))


def features(levels: int) -> np.ndarray:
    """Return Y of the semantic task, (feature, item), which is the best network function: inputs are unit vectors."""
    return 2**levels * semantic(levels).sigma_yx


def descent(layers: Layers, values: Values) -> LinearDescent:
    """Prepare gradient descent on the semantic task for networks along leading axes."""
    moments = semantic(values["levels"])
    return LinearDescent(layers, moments.sigma_yx, moments.sigma_xx, values["learning_rate"])


def loss_blocks(layers: Layers, values: Values) -> Iterator[np.ndarray]:
    """Yield blocks of the losses 1/(2P) ||W X - Y||_F^2 after each step, from the initial weights on, (step, trial)."""
    state = descent(layers, values)
    steps = walk(state, range(values["steps"] + 1))
    while block := [state.excess() for _ in islice(steps, _BLOCK)]:
        yield np.stack(block)


def steps_to(losses: np.ndarray, tolerance: float) -> np.ndarray:
    """Return the number of the first step whose loss is below the tolerance, (trial,), or NaN if there is none.

    Args:
        losses: losses after each step, from step 0 on, (step, trial).
        tolerance: bound of the loss, in the same unit.
    """
    below = losses < tolerance
    return np.where(np.any(below, axis=0), np.argmax(below, axis=0), np.nan)
