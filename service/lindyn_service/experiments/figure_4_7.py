"""The rate of the loss: the formula, the exact solution, and difference quotients of gradient descent."""

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from lindyn_service.dynamics.continual import ContinualTask, Segment, measure
from lindyn_service.dynamics.linear_descent import LinearDescent
from lindyn_service.dynamics.riccati import solve
from lindyn_service.experiments.base import Cell, Experiment, Parameter, Result, Table, Values
from lindyn_service.experiments.style import THEORY, Axes, new_figure
from lindyn_service.experiments.trials import balanced_trials, excess, regression_trials

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TRIALS_PER_CELL = 10
_PLOT_RANGE = 1e-8  # smallest rate in the figure, relative to the largest


def cells(values: Values) -> list[Cell]:
    """Return cells of several trials with one lambda each."""
    firsts = range(0, values["trials"], _TRIALS_PER_CELL)
    return [
        {"lambda": lam, "trials": list(range(first, min(first + _TRIALS_PER_CELL, values["trials"])))}
        for lam, first in product(values["lambdas"], firsts)
    ]


def run(values: Values, cell: Cell) -> Result:
    """Compute the rates of all trials; the tasks are the same for each lambda."""
    sources = [np.random.default_rng([values["seed"], trial]) for trial in cell["trials"]]
    size, rate, lam = values["size"], values["learning_rate"], cell["lambda"]
    sigma_yx, _ = regression_trials(size, values["samples_per_unit"] * size, sources)
    layers = balanced_trials(size, lam, sources)
    errors = LinearDescent(layers, sigma_yx, None, rate).record(range(values["steps"] + 1)).errors
    quotient = np.diff(excess(errors), axis=0).T / rate
    formula = np.einsum("stij,stij->ts", np.diff(errors, axis=0) / rate, errors[:-1])
    times = rate * np.arange(len(quotient[0]))
    exact = np.stack([_exact(*problem, lam, times) for problem in zip(*layers, sigma_yx, strict=True)])
    return {"quotient": quotient, "formula": formula, "exact": exact}


def tabulate(values: Values, results: Sequence[Result]) -> Table:
    """Tabulate the rates along lambdas, trials and steps, and the largest relative deviations from the quotient."""
    lambdas: list[float] = list(values["lambdas"])
    shape: tuple[int, ...] = (len(lambdas), values["trials"], values["steps"])
    rates = {name: np.concatenate([r[name] for r in results]).reshape(shape) for name in results[0]}
    largest = np.max(np.abs(rates["quotient"]), axis=2)
    curves = {f"rate_{name}": (("lambda", "trial", "step"), rate) for name, rate in rates.items()}
    deviations = {
        f"deviation_{name}": (("lambda", "trial"), np.max(np.abs(rates[name] - rates["quotient"]), axis=2) / largest)
        for name in ("formula", "exact")
    }
    return Table(
        coordinates={
            "lambda": lambdas,
            "trial": list(range(shape[1])),
            "step": list(range(shape[-1])),
        },
        data={**curves, **deviations},
    )


def draw(table: Table) -> "Figure":
    """Draw the rates of the first trial for each lambda, and the deviations of all trials."""
    lambdas = table.coordinates["lambda"]
    figure, panels = new_figure(len(lambdas) + 1)
    for i, (lam, axes) in enumerate(zip(lambdas, panels, strict=False)):
        _draw_rates(axes, table, i)
        axes.set(title=f"λ = {lam:g}, first trial", xlabel="step + 1", ylabel="$-dL/dt$, per unit of time")
    axes, positions = panels[-1], np.arange(len(lambdas))
    for name, shift in (("formula", -0.15), ("exact", 0.15)):
        deviations = table.values(f"deviation_{name}")
        offsets = shift + np.linspace(-0.1, 0.1, deviations.shape[1])
        axes.plot((positions[:, None] + offsets).ravel(), deviations.ravel(), marker=".", linestyle="none", label=name)
    axes.set_xticks(positions, [f"{lam:g}" for lam in lambdas])
    axes.set(title="largest deviation, all trials", xlabel="λ", ylabel="of the largest rate of descent")
    axes.set_ylim(0, 1.4 * float(np.max(table.values("deviation_exact"))))
    axes.legend(frameon=False, loc="upper center")
    return figure


def _draw_rates(axes: Axes, table: Table, i: int) -> None:
    steps = np.asarray(table.coordinates["step"]) + 1
    quotient, formula, exact = (-table.values(f"rate_{name}")[i, 0] for name in ("quotient", "formula", "exact"))
    axes.plot(steps, quotient, linewidth=3, alpha=0.6, label="quotient")
    axes.plot(steps, formula, linewidth=1, label="formula")
    axes.plot(steps, exact, color=THEORY, linewidth=1, linestyle="--", label="exact")
    largest = max(float(np.max(exact)), 1e-300)
    axes.set(xscale="log", yscale="log", ylim=(_PLOT_RANGE * largest, 3 * largest))
    axes.legend(frameon=False, loc="lower left")


def _exact(w1: np.ndarray, w2: np.ndarray, sigma_yx: np.ndarray, lam: float, times: np.ndarray) -> np.ndarray:
    """Return dL/dt of the exact solution, (time,)."""
    task = ContinualTask(sigma_yx)
    segment = Segment(task, solve(w1, w2, sigma_yx, lam), w1, w2, float(times[-1]))
    return measure(segment, [task], times)[1][:, 0]


def _seconds(values: Values) -> float:
    """Estimate the seconds that a cell takes on one worker."""
    steps = values["steps"] * min(values["trials"], _TRIALS_PER_CELL)
    return 0.005 + steps * (4e-6 + 1.7e-7 * values["size"] ** 2)


EXPERIMENT = Experiment(
    name="figure-4.7",
    title="Rate of loss",
    description=(
        "The rate of the loss, Tr[dW/dt (W - S)^T], against the difference quotients of the losses of gradient "
        "descent: once as published, with W and its differences taken from the same descent (formula), and once from "
        "the exact solution at the time of each step (exact). The deviation of a trial is the largest absolute one "
        "over all steps, relative to the largest difference quotient; both fall in proportion to the learning rate. "
        "Published rates are per step; these are per unit of time, which is learning rate times steps. The published "
        "caption says lambda = 5, the code 1; both are computed. Tasks are Gaussian targets on whitened Gaussian "
        "inputs; weights are unaligned, their product that of two standard normal matrices. Source: thesis Theorem "
        "4.4.1, with (4.36) corrected to (4.42), and Figure 4.7."
    ),
    parameters={
        "size": Parameter(5, "units of each layer", 1, 10),
        "samples_per_unit": Parameter(2, "samples of a task per unit", 1, 100),
        "lambdas": Parameter((1.0, 5.0), "balance of the weights", -100, 100, longest=5),
        "learning_rate": Parameter(0.01, "learning rate of gradient descent", 1e-6, 0.1),
        "steps": Parameter(1000, "steps of gradient descent", 1, 10_000),
        "trials": Parameter(20, "random tasks and networks", 1, 100),
        "seed": Parameter(0, "seed of tasks and weights", 0, 2**32 - 1),
    },
    cells=cells,
    run=run,
    tabulate=tabulate,
    draw=draw,
    seconds=_seconds,
)
