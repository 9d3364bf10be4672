"""Deviation of gradient descent from the exact solution against lambda."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lindyn_service.experiments import deviation
from lindyn_service.experiments.base import Cell, Experiment, Parameter, Result, Table, Values

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def cells(values: Values) -> list[Cell]:
    """Return one cell for each size and lambda."""
    return deviation.cells(values, [(lam, values["learning_rate"]) for lam in values["lambdas"]])


def tabulate(values: Values, results: Sequence[Result]) -> Table:
    """Tabulate the deviations along sizes and lambdas."""
    return deviation.tabulate(values, results, "lambda", values["lambdas"])


def draw(table: Table) -> "Figure":
    """Draw the mean deviation against lambda."""
    return deviation.draw(table, "lambda", "λ", "deviation at one learning rate")


EXPERIMENT = Experiment(
    name="figure-3.5",
    title="Deviation from gradient descent against lambda",
    description=(
        "By how much the loss of the exact solution is above that of gradient descent, at one learning rate. "
        + deviation.PROTOCOL
        + "Source: thesis section 3.3, Figure 3.5."
    ),
    parameters={
        "lambdas": Parameter(np.geomspace(1e-2, 1e2, 20).tolist(), "balance of the weights", 1e-6, 1000),
        "learning_rate": Parameter(1e-4, "learning rate of gradient descent", 1e-8, 0.1),
        **deviation.parameters((3, 5, 10, 20), trials=20),
    },
    cells=cells,
    run=deviation.run,
    tabulate=tabulate,
    draw=draw,
    seconds=deviation.seconds,
)
