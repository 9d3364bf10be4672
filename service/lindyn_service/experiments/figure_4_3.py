"""Losses on the semantic task, from several kinds of initial weights."""

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from lindyn_service.experiments import semantic_descent
from lindyn_service.experiments.base import Cell, Experiment, Parameter, Result, Table, Values
from lindyn_service.experiments.style import COLOURS, Axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CURVE_POINTS = 400
_EARLY = 1 / 20  # of the steps, recorded with the same number of points as the whole curve
_FLOOR = 1e-32  # of the figure, as published: losses near it are squares of rounding errors


def run(values: Values, cell: Cell) -> Result:
    """Compute the losses of all trials of one kind, and the steps to the tolerances."""
    layers = semantic_descent.draw_weights(values, cell)
    losses = np.concatenate(list(semantic_descent.loss_blocks(layers, values)))
    crossings = [semantic_descent.steps_to(losses, tolerance) for tolerance in values["tolerances"]]
    return {"loss": losses[_recorded_steps(values)].T, "steps": np.stack(crossings, axis=1)}


def tabulate(values: Values, results: Sequence[Result]) -> Table:
    """Tabulate the losses along the steps, and the numbers of steps to the tolerances."""
    steps = np.stack([result["steps"] for result in results])
    return Table(
        coordinates={
            "network": semantic_descent.names(values),
            "trial": list(range(values["trials"])),
            "step": _recorded_steps(values),
            "tolerance": list(values["tolerances"]),
        },
        data={
            "loss": (("network", "trial", "step"), np.stack([result["loss"] for result in results])),
            "steps": (("network", "trial", "tolerance"), steps),
            "mean": (("network", "tolerance"), np.mean(steps, axis=1)),
            "standard_deviation": (("network", "tolerance"), np.std(steps, axis=1)),
        },
    )


def draw(table: Table) -> "Figure":
    """Draw all trials, and the first steps enlarged, where losses of large |lambda| are straight lines."""
    figure, (whole, early) = new_figure(2)
    steps = np.asarray(table.coordinates["step"])
    for axes, last in ((whole, steps[-1]), (early, steps[-1] * _EARLY)):
        _draw_losses(axes, table, steps <= last)
    whole.set(title="all steps")
    early.set(title="first steps")
    early.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _draw_losses(axes: Axes, table: Table, shown: np.ndarray) -> None:
    steps = np.asarray(table.coordinates["step"])[shown]
    names: list[str] = list(table.coordinates["network"])
    # lambda and -lambda have the same colour
    colours = dict(zip(dict.fromkeys(map(_unsigned, names)), cycle(COLOURS), strict=False))
    for name, losses in zip(names, table.values("loss"), strict=True):
        dashes, colour = "-" if _unsigned(name) == name else "--", colours[_unsigned(name)]
        lines = axes.plot(steps, np.maximum(losses[:, shown].T, _FLOOR), dashes, color=colour, alpha=0.7, linewidth=0.9)
        lines[0].set_label(name)
    axes.set(xlabel="step", ylabel="loss", yscale="log")


def _unsigned(name: str) -> str:
    return name.replace("λ = -", "λ = ")


def _recorded_steps(values: Values) -> np.ndarray:
    """Return the steps at which the losses are recorded."""
    fractions = np.linspace(0, 1, _CURVE_POINTS + 1)
    return np.unique((values["steps"] * np.concatenate([_EARLY * fractions, fractions])).astype(int))


EXPERIMENT = Experiment(
    name="figure-4.3",
    title="Losses while learning the semantic task",
    description=(
        "The loss 1/(2P) ||W X - Y||^2 of gradient descent from Gaussian and balanced weights, and the first steps "
        "after which it is below each of the tolerances. The gradient flow ends at a saddle from half of all "
        "0-balanced draws, those whose det(W2 W1) has another sign than the determinant of the task; finite steps "
        "break the balance, and descent leaves the saddle late, so that the distribution of the numbers of steps is "
        "bimodal. " + semantic_descent.PROTOCOL + "Source: thesis section 4.3, Figure 4.3."
    ),
    parameters={
        **semantic_descent.parameters(),
        "tolerances": Parameter((1e-3, 1e-10, 1e-20), "losses to fall below", 1e-24, 1, longest=10),
    },
    cells=semantic_descent.cells,
    run=run,
    tabulate=tabulate,
    draw=draw,
    seconds=lambda values: 1.3 * semantic_descent.seconds(values, values["steps"]),
)
