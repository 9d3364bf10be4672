"""Reversal learning of a task and its negative: aligned networks with lambda = 0 stop at a saddle, others do not."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lindyn_service.dynamics.continual import ContinualTask, continual
from lindyn_service.dynamics.convergence import convergence_time
from lindyn_service.dynamics.initialization import Directions, balanced_weights
from lindyn_service.experiments.base import Cell, Experiment, Parameter, Result, Table, Values
from lindyn_service.experiments.style import THEORY, Axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def cells(values: Values) -> list[Cell]:
    """Return one cell for each lambda."""
    return [{"lambda": lam} for lam in values["lambdas"]]


def run(values: Values, cell: Cell) -> Result:
    """Compute the exact excess losses of both tasks, and the time at which each task is learned."""
    s, lam = np.asarray(values["singular_values"], float), cell["lambda"]
    size = len(s)
    # the task is diagonal: other singular vectors would only rotate the whole network with them
    aligned = Directions(np.eye(size), np.eye(size))
    rng = np.random.default_rng(values["seed"])
    w1, w2 = balanced_weights((size, size, size), lam, values["scale"], rng, aligned)
    tasks = [ContinualTask(np.diag(s)), ContinualTask(-np.diag(s))]
    course = continual(w1, w2, lam, tasks, [values["duration"]] * 2, values["points"])
    tolerance = values["tolerance"] * 0.5 * float(s @ s)
    learned = [convergence_time(segment.solution, tolerance) for segment in course.segments]
    return {
        "time": course.times.ravel(),
        "loss": course.losses.reshape(-1, 2).T,
        "learning_time": np.array([math.nan if time is None else time for time in learned]),
    }


def tabulate(values: Values, results: Sequence[Result]) -> Table:
    """Tabulate all lambdas on one time axis; learning times count from the start of each task, NaN means never."""
    return Table(
        coordinates={
            "lambda": list(values["lambdas"]),
            "task": [1, 2],
            "time": results[0]["time"],
            "mode": list(range(1, len(values["singular_values"]) + 1)),
        },
        data={
            "loss": (("lambda", "task", "time"), np.stack([result["loss"] for result in results])),
            "learning_time": (("lambda", "task"), np.stack([result["learning_time"] for result in results])),
            "singular_values": (("mode",), np.asarray(values["singular_values"], float)),
        },
    )


def draw(table: Table) -> "Figure":
    """Draw the loss of the second task, and the learning times of both against |lambda|."""
    figure, (losses, times) = new_figure(2)
    _draw_losses(losses, table)
    _draw_times(times, table)
    return figure


def _draw_losses(axes: Axes, table: Table) -> None:
    from matplotlib import colormaps  # noqa: PLC0415 (see `style`)

    lambdas, time = table.coordinates["lambda"], np.asarray(table.coordinates["time"])
    reversal = time[len(time) // 2]
    saddle = 0.5 * float(np.sum(table.values("singular_values") ** 2))
    colours = colormaps["viridis"](np.linspace(0, 0.9, len(lambdas)))
    for lam, colour, loss in zip(lambdas, colours, table.values("loss")[:, 1], strict=True):
        axes.plot(time, loss, "--" if lam < 0 else "-", color=colour, label=f"λ = {lam:g}")
    axes.axhline(saddle, color=THEORY, linewidth=0.8, linestyle=":")
    axes.axvline(reversal, color="0.6", linewidth=0.8)
    # smaller losses are dominated by rounding errors
    axes.set(ylim=(1e-6 * saddle, 10 * saddle), yscale="log")
    axes.set(title="reversed task", xlabel="time (τ)", ylabel="excess loss of $-S$")
    axes.legend(frameon=False, fontsize="small", loc="lower left")


def _draw_times(axes: Axes, table: Table) -> None:
    magnitudes, times = np.abs(table.coordinates["lambda"]), table.values("learning_time")
    shown = np.flatnonzero(magnitudes > 0)
    shown = shown[np.argsort(magnitudes[shown])]
    for task, label, marker in ((0, "$S$", "o"), (1, "then $-S$", "s")):
        axes.plot(magnitudes[shown], times[shown, task], marker=marker, markersize=4, linewidth=1, label=label)
    weakest, start = float(np.min(table.values("singular_values"))), shown[:1]
    x = magnitudes[shown]
    line = times[start, 1] + np.log(magnitudes[start] / x) / weakest
    axes.plot(x[line > 0], line[line > 0], ":", color=THEORY, label=f"slope of log(1/|λ|)/s, s = {weakest:g}")
    axes.set(title="time to learn", xlabel="|λ|", ylabel="time (τ)", xscale="log", ylim=(0, None))
    axes.legend(frameon=False, fontsize="small")


EXPERIMENT = Experiment(
    name="reversal-learning",
    title="Learning the negative of a task",
    description=(
        "An aligned balanced network learns S for a while, then -S: excess losses of both tasks on the exact solution. "
        "Each mode follows tau da/dt = sqrt(lambda^2 + 4 a^2) (-s - a) from a = s: with lambda = 0 it stops at a = 0, "
        "a saddle whose loss is 1/2 ||S||^2; with any other lambda it passes a = 0, after a delay that grows like "
        "log(1 / |lambda|) / s of the weakest mode. A task is learned when the excess loss is below a fraction of that "
        "of the saddle; for lambda = 0 that never happens. Source: Braun et al. (2022), arXiv 2206.03738, reversal "
        "learning; Domine et al. (2025), arXiv 2409.14623."
    ),
    parameters={
        "lambdas": Parameter(
            (0.0, 1e-4, 1e-3, 1e-2, 0.1, 1.0, -1.0, 10.0), "balances of the weights", -1000, 1000, longest=50
        ),
        "singular_values": Parameter((3.0, 2.0, 1.0), "singular values of the task", 1e-3, 100, longest=20),
        "scale": Parameter(0.1, "standard deviation of the Gaussian matrices behind the weights", 1e-6, 10),
        "duration": Parameter(15.0, "duration of each task, in units of the time constant", 1e-3, 1e4),
        "points": Parameter(301, "time points of each task, including both ends", 2, 10_000),
        "tolerance": Parameter(
            1e-3, "excess loss below which a task is learned, in units of the loss at the saddle", 1e-20, 1
        ),
        "seed": Parameter(0, "seed of the initial weights", 0, 2**32 - 1),
    },
    cells=cells,
    run=run,
    tabulate=tabulate,
    draw=draw,
    seconds=lambda values: 0.008 + 1e-5 * values["points"],
)
