"""Deviation of gradient descent from the exact solution at a constant product of lambda and the learning rate."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lindyn_service.experiments import deviation
from lindyn_service.experiments.base import Cell, Experiment, Parameter, Result, Table, Values

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def cells(values: Values) -> list[Cell]:
    """Return one cell for each size and lambda."""
    return deviation.cells(values, [(lam, values["real_learning_rate"] / lam) for lam in values["lambdas"]])


def tabulate(values: Values, results: Sequence[Result]) -> Table:
    """Tabulate the deviations along sizes and lambdas."""
    return deviation.tabulate(values, results, "lambda", values["lambdas"])


def draw(table: Table) -> "Figure":
    """Draw the mean deviation against lambda."""
    figure = deviation.draw(table, "lambda", "λ", "deviation at one real learning rate")
    figure.axes[0].set_ylim(bottom=0)
    return figure


EXPERIMENT = Experiment(
    name="figure-3.6",
    title="Deviation from gradient descent at a constant real learning rate",
    description=(
        "By how much the loss of the exact solution is above that of gradient descent, at a constant real "
        "learning rate, which is lambda times the learning rate. "
        + deviation.PROTOCOL
        + "Source: thesis section 3.3, Figure 3.6."
    ),
    parameters={
        "lambdas": Parameter(np.geomspace(50, 200, 20).tolist(), "balance of the weights", 1e-2, 1e5),
        "real_learning_rate": Parameter(0.01, "lambda times the learning rate", 1e-5, 0.5),
        **deviation.parameters((5, 10, 15, 20), trials=20),
    },
    cells=cells,
    run=deviation.run,
    tabulate=tabulate,
    draw=draw,
    seconds=deviation.seconds,
)
