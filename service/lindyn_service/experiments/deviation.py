"""Deviation of gradient descent from the exact solution, over sizes, balances, learning rates and random trials."""

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from lindyn_service.dynamics.convergence import excess_loss_at
from lindyn_service.dynamics.descent import walk
from lindyn_service.dynamics.linear_descent import LinearDescent
from lindyn_service.dynamics.riccati import solve
from lindyn_service.experiments.base import Cell, Parameter, Result, Table, Values
from lindyn_service.experiments.style import new_figure
from lindyn_service.experiments.trials import balanced_trials, regression_trials

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SAMPLES_PER_UNIT = 2

PROTOCOL = (
    "Tasks are Gaussian targets on whitened Gaussian inputs, twice as many samples as units; weights are unaligned, "
    "their product that of two standard normal matrices; each point of a curve has its own. The deviation of a trial "
    "is the signed mean of (L_exact - L_descent) / L_descent over the steps, of which the initial weights are the "
    "first, with L = 1/(2P) ||W X - Y||^2; a curve is the mean over trials, its band the population standard "
    "deviation. "
)
"""The choices that the published texts leave open, shared by the experiments on deviations."""


def parameters(sizes: Sequence[int], trials: int) -> dict[str, Parameter]:
    """Return the parameters that the experiments on deviations share."""
    return {
        "sizes": Parameter(sizes, "units of each layer", 1, 30, longest=20),
        "steps": Parameter(200, "steps of gradient descent, of which the initial weights are the first", 1, 1000),
        "trials": Parameter(trials, "random tasks and networks for each point", 1, 200),
        "seed": Parameter(0, "seed of tasks and weights", 0, 2**32 - 1),
    }


def cells(values: Values, points: Sequence[tuple[float, float]]) -> list[Cell]:
    """One for each size and point.

    Args:
        values: parameters.
        points: lambda and learning rate of each point.
    """
    return [
        {"stream": stream, "size": size, "lambda": lam, "learning_rate": learning_rate}
        for stream, (size, (lam, learning_rate)) in enumerate(product(values["sizes"], points))
    ]


def seconds(values: Values) -> float:
    """Estimate the seconds that a cell takes on one worker, as the mean over the sizes."""
    step_seconds = float(np.mean([6e-6 + 5.5e-8 * size**2 for size in values["sizes"]]))
    return 0.01 + values["trials"] * values["steps"] * step_seconds


def run(values: Values, cell: Cell) -> Result:
    """Compute the deviations of all trials of one size and point."""
    size, lam, rate = cell["size"], cell["lambda"], cell["learning_rate"]
    steps: int = values["steps"]
    sources = [np.random.default_rng([values["seed"], cell["stream"], trial]) for trial in range(values["trials"])]
    sigma_yx, irreducible = regression_trials(size, _SAMPLES_PER_UNIT * size, sources)
    layers = balanced_trials(size, lam, sources)
    simulated = _simulated(*layers, sigma_yx, rate, steps) + irreducible[:, None]
    exact = _exact(*layers, sigma_yx, lam, rate * np.arange(steps)) + irreducible[:, None]
    return {"deviation": np.mean((exact - simulated) / simulated, axis=1)}


def _simulated(w1: np.ndarray, w2: np.ndarray, sigma_yx: np.ndarray, learning_rate: float, steps: int) -> np.ndarray:
    """Return the excess losses of gradient descent, (trial, step)."""
    descent = LinearDescent((w1, w2), sigma_yx, None, learning_rate)
    return np.stack([descent.excess() for _ in walk(descent, range(steps))], axis=1)


def _exact(w1: np.ndarray, w2: np.ndarray, sigma_yx: np.ndarray, lam: float, times: np.ndarray) -> np.ndarray:
    """Return the excess losses of the exact solution, (trial, time)."""
    return np.stack([excess_loss_at(solve(*problem, lam), times) for problem in zip(w1, w2, sigma_yx, strict=True)])


def tabulate(values: Values, results: Sequence[Result], axis: str, points: Sequence[float]) -> Table:
    """Tabulate the deviations along sizes, points and trials, with mean and standard deviation over the trials."""
    deviations = np.stack([result["deviation"] for result in results]).reshape(len(values["sizes"]), len(points), -1)
    return Table(
        coordinates={"size": list(values["sizes"]), axis: np.array(points), "trial": list(range(values["trials"]))},
        data={
            "deviation": (("size", axis, "trial"), deviations),
            "mean": (("size", axis), np.mean(deviations, axis=2)),
            "standard_deviation": (("size", axis), np.std(deviations, axis=2)),
        },
    )


def draw(table: Table, axis: str, label: str, title: str) -> "Figure":
    """Draw a curve of means with a band of one standard deviation for each size."""
    figure, (axes,) = new_figure(1)
    points = np.asarray(table.coordinates[axis])
    order = np.argsort(points)
    curves = zip(table.coordinates["size"], table.values("mean"), table.values("standard_deviation"), strict=True)
    for size, mean, spread in curves:
        low, high = (mean - spread)[order], (mean + spread)[order]
        (line,) = axes.plot(points[order], mean[order], label=f"{size} units")
        axes.fill_between(points[order], low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set(title=title, xlabel=label, ylabel=r"mean of $(L_{exact} - L_{descent})\,/\,L_{descent}$", xscale="log")
    axes.legend(frameon=False)
    return figure
