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
_EARLY = 1 / 20  # of the steps, which as many points again resolve
_FLOOR = 1e-32  # of the picture, as published: where losses of W2 W1 are squares of rounding errors


def run(values: Values, cell: Cell) -> Result:
    """Follow the losses of all trials of one kind."""
    layers = semantic_descent.draw_weights(values, cell)
    found = np.concatenate(list(semantic_descent.loss_blocks(layers, values)))
    crossings = [semantic_descent.steps_to(found, tolerance) for tolerance in values["tolerances"]]
    return {"loss": found[_recorded(values)].T, "steps": np.stack(crossings, axis=1)}


def tabulate(values: Values, results: Sequence[Result]) -> Table:
    """Losses along the steps, and how many it takes to get below the tolerances."""
    steps = np.stack([result["steps"] for result in results])
    return Table(
        coordinates={
            "network": semantic_descent.names(values),
            "trial": list(range(values["trials"])),
            "step": _recorded(values),
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
    """All trials; once more from close by, where large |lambda| are straight lines."""
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
    # balances of both signs share their colour
    colours = dict(zip(dict.fromkeys(map(_unsigned, names)), cycle(COLOURS), strict=False))
    for name, losses in zip(names, table.values("loss"), strict=True):
        dashes, colour = "-" if _unsigned(name) == name else "--", colours[_unsigned(name)]
        lines = axes.plot(steps, np.maximum(losses[:, shown].T, _FLOOR), dashes, color=colour, alpha=0.7, linewidth=0.9)
        lines[0].set_label(name)
    axes.set(xlabel="step", ylabel="loss", yscale="log")


def _unsigned(name: str) -> str:
    return name.replace("λ = -", "λ = ")


def _recorded(values: Values) -> np.ndarray:
    """Steps that the curves are kept at."""
    parts = np.linspace(0, 1, _CURVE_POINTS + 1)
    return np.unique((values["steps"] * np.concatenate([_EARLY * parts, parts])).astype(int))


EXPERIMENT = Experiment(
    name="figure-4.3",
    title="Losses while learning the semantic task",
    description=(
        "The loss 1/(2P) ||W X - Y||^2 of gradient descent from Gaussian and balanced weights, and the first steps "
        "that take it below some tolerances. The gradient flow of half of all 0-balanced draws ends at a saddle, where "
        "the signs of det(W2 W1) and of the determinant of the task differ; finite steps break the balance and free "
        "descent late, so that its number of steps has two humps. "
        + semantic_descent.READING
        + "Source: thesis section 4.3, Figure 4.3."
    ),
    parameters={
        **semantic_descent.parameters(),
        "tolerances": Parameter((1e-3, 1e-10, 1e-20), "losses to get below", 1e-24, 1, longest=10),
    },
    cells=semantic_descent.cells,
    run=run,
    tabulate=tabulate,
    draw=draw,
    seconds=lambda values: 1.3 * semantic_descent.seconds(values, values["steps"]),
)
