"""Deviation of gradient descent from the exact solution against the learning rate."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lindyn_service.experiments import deviation
from lindyn_service.experiments.base import Cell, Experiment, Parameter, Result, Table, Values

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def cells(values: Values) -> list[Cell]:
    """Return one cell for each size and learning rate."""
    return deviation.cells(values, [(values["lambda"], rate) for rate in values["learning_rates"]])


def tabulate(values: Values, results: Sequence[Result]) -> Table:
    """Tabulate the deviations along sizes and learning rates."""
    return deviation.tabulate(values, results, "learning_rate", values["learning_rates"])


def draw(table: Table) -> "Figure":
    """Draw the mean deviation against the learning rate."""
    return deviation.draw(table, "learning_rate", "learning rate", "deviation at one λ")


EXPERIMENT = Experiment(
    name="figure-3.4",
    title="Deviation from gradient descent against the learning rate",
    description=(
        "By how much the loss of the exact solution is above that of gradient descent, at one lambda. "
        + deviation.PROTOCOL
        + "The published text says sizes 5, 10, 15 and 25; its figure shows 5, 10, 15 and 20. Source: thesis section "
        "3.3, Figure 3.4."
    ),
    parameters={
        "lambda": Parameter(3.0, "balance of the weights", -1000, 1000),
        "learning_rates": Parameter(
            np.geomspace(1e-4, 1e-2, 20).tolist(), "learning rate of gradient descent", 1e-8, 0.1
        ),
        **deviation.parameters((5, 10, 15, 20), trials=40),
    },
    cells=cells,
    run=deviation.run,
    tabulate=tabulate,
    draw=draw,
    seconds=deviation.seconds,
)
