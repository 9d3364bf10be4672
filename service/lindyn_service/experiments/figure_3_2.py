"""Aligned networks: the strength of each mode by closed form, integration of the flow, and gradient descent."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lindyn_service.dynamics.aligned_modes import aligned_strengths
from lindyn_service.dynamics.flow import Flow
from lindyn_service.dynamics.linear_descent import LinearDescent
from lindyn_service.dynamics.random_rotations import haar_columns
from lindyn_service.dynamics.tasks import regression
from lindyn_service.experiments.base import Cell, Experiment, Parameter, Result, Table, Values
from lindyn_service.experiments.style import THEORY, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TRIALS_PER_CELL = 10
_RTOL, _ATOL = 1e-13, 1e-15


def cells(values: Values) -> list[Cell]:
    """Return cells of several trials each."""
    trials = range(values["trials"])
    return [{"trials": list(trials[first : first + _TRIALS_PER_CELL])} for first in trials[::_TRIALS_PER_CELL]]


def run(values: Values, cell: Cell) -> Result:
    """Draw tasks and aligned weights, and compute the mode strengths by all three methods."""
    draws = [_draw(values, trial) for trial in cell["trials"]]
    sigma_yx, u, s, vt, a0, w1, w2 = (np.stack(arrays) for arrays in zip(*draws, strict=True))
    steps = range(values["steps"] + 1)
    times = values["learning_rate"] * np.arange(len(steps))
    exact = aligned_strengths(s.ravel(), a0.ravel(), values["lambda"], times).reshape(len(times), *s.shape)
    first, second = LinearDescent((w1, w2), sigma_yx, None, values["learning_rate"]).record(steps).layers
    simulated = _strengths(u, vt, first, second)
    integrated = np.empty_like(exact)
    for i, task in enumerate(sigma_yx):
        flow = Flow((w1[i], w2[i]), task, None, rtol=_RTOL, atol=_ATOL)
        for batch, networks in flow.batches(times):
            integrated[batch, i] = _strengths(u[i], vt[i], *networks.layers)
    return {
        "task": s,
        "from_descent": np.max(np.abs(exact - simulated), axis=0),
        "from_flow": np.max(np.abs(exact - integrated), axis=0),
        "exact": exact[:, 0],
        "simulated": simulated[:, 0],
    }


def tabulate(values: Values, results: Sequence[Result]) -> Table:
    """Tabulate the deviations of all trials, and the curves of the first trial."""
    trials = {name: np.concatenate([r[name] for r in results]) for name in ("task", "from_descent", "from_flow")}
    return Table(
        coordinates={
            "trial": list(range(values["trials"])),
            "mode": list(range(values["size"])),
            "step": list(range(values["steps"] + 1)),
        },
        data={
            "task_strength": (("trial", "mode"), trials["task"]),
            "deviation_from_descent": (("trial", "mode"), trials["from_descent"]),
            "deviation_from_flow": (("trial", "mode"), trials["from_flow"]),
            "exact": (("step", "mode"), results[0]["exact"]),
            "simulated": (("step", "mode"), results[0]["simulated"]),
        },
    )


def draw(table: Table) -> "Figure":
    """Draw the modes of the first trial, and the largest deviations of all trials."""
    figure, (curves, deviations) = new_figure(2)
    steps, trials = table.coordinates["step"], table.coordinates["trial"]
    for i, (exact, simulated, s) in enumerate(
        zip(table.values("exact").T, table.values("simulated").T, table.values("task_strength")[0], strict=True)
    ):
        first = i == 0
        curves.plot(steps, simulated, linewidth=3, alpha=0.6, label="gradient descent" if first else None)
        curves.plot(steps, exact, color=THEORY, linewidth=1, linestyle="--", label="exact" if first else None)
        curves.axhline(s, color="0.6", linewidth=0.6, label="task" if first else None)
    curves.set(title="first trial", xlabel="step", ylabel="mode strength")
    curves.legend(frameon=False)
    for name, label in (("descent", "gradient descent"), ("flow", "integrated flow")):
        largest = np.max(table.values(f"deviation_from_{name}"), axis=1)
        deviations.semilogy(trials, largest, marker="o", linestyle="none", label=f"from {label}")
    deviations.set(title="largest deviation of the exact solution", xlabel="trial", ylabel="mode strength")
    deviations.margins(y=0.2)
    deviations.legend(frameon=False, loc="center")
    return figure


def _draw(values: Values, trial: int) -> tuple[np.ndarray, ...]:
    """Draw a regression task, and aligned balanced weights whose mode strengths are Gaussian, of either sign."""
    rng = np.random.default_rng([values["seed"], trial])
    size: int = values["size"]
    lam: float = values["lambda"]
    sigma_yx = regression(size, size, values["samples"], rng).sigma_yx
    u, s, vt = np.linalg.svd(sigma_yx)
    a0 = rng.standard_normal(size) * values["scale"]
    larger = np.sqrt(np.hypot(a0, lam / 2) + abs(lam) / 2)
    smaller = a0 / larger
    into, out = (smaller, larger) if lam >= 0 else (larger, smaller)
    rotation = haar_columns(size, size, rng)
    return sigma_yx, u, s, vt, a0, (rotation * into) @ vt, (u * out) @ rotation.T


def _strengths(u: np.ndarray, vt: np.ndarray, w1: np.ndarray, w2: np.ndarray) -> np.ndarray:
    """Return the diagonal of U^T W2 W1 V."""
    return np.diagonal(u.mT @ w2 @ w1 @ vt.mT, axis1=-2, axis2=-1)


EXPERIMENT = Experiment(
    name="figure-3.2",
    title="Modes of an aligned network",
    description=(
        "Strengths a of the modes of an aligned lambda-balanced network, from the closed form, from adaptive "
        "integration of the flow of the weights and from gradient descent on them: the largest absolute deviations "
        "over all steps. Tasks are Gaussian targets on whitened Gaussian inputs; a(0) is Gaussian, of either sign. "
        "Source: thesis Theorem 3.2.1, corrected, and section 3.2."
    ),
    parameters={
        "size": Parameter(3, "units of each layer", 1, 6),
        "samples": Parameter(10, "samples of a task", 10, 1000),
        "lambda": Parameter(0.5, "balance of the weights", -100, 100),
        "scale": Parameter(2.5, "standard deviation of the initial strengths", 0.01, 10),
        "learning_rate": Parameter(0.01, "learning rate of gradient descent", 1e-5, 0.1),
        "steps": Parameter(1000, "steps of gradient descent", 1, 5000),
        "trials": Parameter(10, "random tasks and networks", 1, 200),
        "seed": Parameter(0, "seed of tasks and weights", 0, 2**53 - 1),
    },
    cells=cells,
    run=run,
    tabulate=tabulate,
    draw=draw,
    seconds=lambda values: 0.4 + 6e-4 * values["steps"],
)
