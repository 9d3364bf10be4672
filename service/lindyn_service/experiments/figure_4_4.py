"""Steps to convergence on the semantic task against lambda, with two fitted laws."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import least_squares

from lindyn_service.experiments import semantic_descent
from lindyn_service.experiments.base import Cell, Experiment, Parameter, Result, Table, Values
from lindyn_service.experiments.style import COLOURS, Axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAGNITUDES = np.geomspace(1, 20, 30)
_LAMBDAS = np.concatenate([-_MAGNITUDES[::-1], _MAGNITUDES])

Abscissa = Callable[[np.ndarray], np.ndarray]

LAWS: dict[str, Abscissa] = {"exponential": lambda magnitudes: magnitudes, "power": np.log}
"""Abscissas x of the laws y = b exp(a x): |lambda| for an exponential, log |lambda| for a power law."""


def cells(values: Values) -> list[Cell]:
    """Return one cell for each lambda."""
    return [
        {"kind": "balanced", "lambda": lam, "scale": values["scale"], "stream": stream}
        for stream, lam in enumerate(values["lambdas"])
    ]


def run(values: Values, cell: Cell) -> Result:
    """Train until all trials of one lambda have converged, or the steps are used up."""
    layers = semantic_descent.draw_weights(values, cell)
    blocks: list[np.ndarray] = []
    for losses in semantic_descent.loss_blocks(layers, values):
        # the mean squared error over P samples and n outputs is 2 / n times the loss
        blocks.append(2 / 2 ** values["levels"] * losses)
        if np.all(blocks[-1][-1] < values["tolerance"]):
            break
    return {"steps": semantic_descent.steps_to(np.concatenate(blocks), values["tolerance"])}


def tabulate(values: Values, results: Sequence[Result]) -> Table:
    """Tabulate the steps by lambda, and the laws fitted to each trial."""
    steps = np.stack([result["steps"] for result in results])
    magnitudes = np.abs(values["lambdas"])
    fitted = magnitudes > values["fit_above"]
    fits = {
        name: np.array([fit(abscissa, magnitudes[fitted], trial) for trial in steps[fitted].T])
        for name, abscissa in LAWS.items()
    }
    return Table(
        coordinates={
            "lambda": list(values["lambdas"]),
            "trial": list(range(values["trials"])),
            "fit": ["a", "b", "r_squared"],
            "fit_above": [values["fit_above"]],
        },
        data={
            "steps": (("lambda", "trial"), steps),
            "mean": (("lambda",), np.mean(steps, axis=1)),
            "standard_deviation": (("lambda",), np.std(steps, axis=1)),
            **{name: (("trial", "fit"), coefficients) for name, coefficients in fits.items()},
        },
    )


def fit(abscissa: Abscissa, magnitudes: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Fit y = b exp(a x) by least squares of y, not of its logarithm.

    Returns:
        a, b and the coefficient of determination; NaN if fewer than two different |lambda| have converged, or if all of
        them take the same number of steps.
    """
    converged = steps > 0  # false for NaN, and for trials whose initial weights are below the tolerance
    y = steps[converged]
    if len(np.unique(magnitudes[converged])) < 2 or np.ptp(y) == 0:
        return np.full(3, np.nan)
    x = abscissa(magnitudes[converged])
    slope, intercept = np.polyfit(x, np.log(y), 1)
    solution = least_squares(lambda p: np.exp(p[0] * x + p[1]) - y, (slope, intercept), x_scale="jac", xtol=1e-12)
    a, log_b = solution.x
    return np.array([a, np.exp(log_b), 1 - 2 * solution.cost / np.sum((y - np.mean(y)) ** 2)])


def draw(table: Table) -> "Figure":
    """Draw the mean steps with their standard deviation, and the laws with their mean coefficients."""
    figure, (axes,) = new_figure(1)
    lambdas = np.asarray(table.coordinates["lambda"])
    mean, spread = table.values("mean"), table.values("standard_deviation")
    axes.errorbar(lambdas, mean, spread, fmt="o", markersize=3, elinewidth=0.8, label="descent")
    _draw_law(axes, table, "exponential", COLOURS[1], "$b\\,e^{a|λ|}$")
    _draw_law(axes, table, "power", COLOURS[2], "$b\\,|λ|^{a}$")
    axes.set(title="steps to convergence", xlabel="λ", ylabel="steps", yscale="log")
    axes.legend(frameon=False, loc="lower center")
    return figure


def _draw_law(axes: Axes, table: Table, name: str, colour: str, label: str) -> None:
    coefficients = table.values(name)
    coefficients = coefficients[np.all(np.isfinite(coefficients), axis=1)]
    if not len(coefficients):
        return
    a, b = np.mean(coefficients[:, 0]), np.mean(coefficients[:, 1])
    lambdas = np.sort(np.asarray(table.coordinates["lambda"], float))
    for sign in (-1, 1):
        side = lambdas[sign * lambdas > table.coordinates["fit_above"][0]]
        if len(side):
            x = np.linspace(float(side[0]), float(side[-1]), 100)
            (line,) = axes.plot(x, b * np.exp(a * LAWS[name](np.abs(x))), color=colour, linewidth=1.2)
            line.set_label(label if sign > 0 else None)


def _seconds(values: Values) -> float:
    """Estimate the seconds that a cell, whose descent ends at the tolerance, takes on one worker."""
    return semantic_descent.seconds(values, min(values["steps"], 10 / values["learning_rate"]))


EXPERIMENT = Experiment(
    name="figure-4.4",
    title="Steps to learn the semantic task against lambda",
    description=(
        "The first step of gradient descent after which the mean of (W X - Y)^2 over samples and features is below a "
        "tolerance, from balanced weights; each lambda has its own draws, whose product is that of two Gaussian "
        "matrices of standard deviation 1. Two laws are fitted to each trial where |lambda| is above 5, by least "
        "squares of the steps: b exp(a |lambda|), as published, and the power law b |lambda|^a, which fits better, as "
        "expected from a rate of convergence of nearly |lambda|. Source: thesis section 4.3, Figure 4.4."
    ),
    parameters={
        "lambdas": Parameter(_LAMBDAS.tolist(), "balances of the weights", -150, 150),
        "fit_above": Parameter(5.0, "bound above which |lambda| is fitted", 0, 150),
        "tolerance": Parameter(1e-3, "tolerance of the mean squared error", 1e-24, 1),
        "scale": Parameter(1.0, "standard deviation of the Gaussian matrices behind the weights", 1e-6, 2),
        "levels": Parameter(3, "splits of the semantic hierarchy; 2^levels units in each layer", 1, 5),
        "learning_rate": Parameter(0.01, "learning rate of gradient descent", 1e-6, 0.1),
        "steps": Parameter(20_000, "steps of gradient descent, at most", 1, 100_000),
        "trials": Parameter(20, "initial weights of each lambda", 1, 50),
        "seed": Parameter(0, "seed of the initial weights", 0, 2**32 - 1),
    },
    cells=cells,
    run=run,
    tabulate=tabulate,
    draw=draw,
    seconds=_seconds,
)
