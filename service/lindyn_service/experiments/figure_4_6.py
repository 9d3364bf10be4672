"""Continual learning of several tasks, exact and simulated, with the losses of all tasks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lindyn_service.dynamics.continual import ContinualTask, Segment, continual
from lindyn_service.dynamics.linear_descent import LinearDescent
from lindyn_service.experiments.base import Cell, Experiment, Parameter, Result, Table, Values
from lindyn_service.experiments.style import THEORY, Axes, new_figure
from lindyn_service.experiments.trials import balanced_trials, excess, regression_trials

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TRIALS_PER_CELL = 10
_MAX_RECORDED_STEPS = 100  # of a segment, with denser steps at its beginning


def cells(values: Values) -> list[Cell]:
    """Return cells of several trials each."""
    trials = range(values["trials"])
    return [{"trials": list(trials[first : first + _TRIALS_PER_CELL])} for first in trials[::_TRIALS_PER_CELL]]


def run(values: Values, cell: Cell) -> Result:
    """Train with the exact solution and with descent; each continues with the next task from its own weights."""
    sources = [np.random.default_rng([values["seed"], trial]) for trial in cell["trials"]]
    size, rate, steps = values["size"], values["learning_rate"], range(values["steps"] + 1)
    tasks = [regression_trials(size, values["samples_per_unit"] * size, sources) for _ in range(values["tasks"])]
    sigma_yx, irreducible = (np.stack(arrays, axis=1) for arrays in zip(*tasks, strict=True))
    layers = balanced_trials(size, values["lambda"], sources)
    trial_segments = [_segments(values, *trial) for trial in zip(*layers, sigma_yx, strict=True)]
    recorded, times = _recorded_steps(values), rate * np.arange(len(steps))
    deviation = np.empty(sigma_yx.shape[:2])
    losses = np.empty((2, *sigma_yx.shape[:2], len(recorded), values["tasks"]))
    for k in range(values["tasks"]):
        trained = LinearDescent(layers, sigma_yx[:, k], None, rate).record(steps)
        layers = tuple(w[-1] for w in trained.layers)
        exact = np.stack([_functions(segments[k], times) for segments in trial_segments])
        trained_task = sigma_yx[:, None, k]
        errors = exact - trained_task, trained.errors.swapaxes(0, 1)
        deviation[:, k] = np.max(np.abs(errors[0] - errors[1]), axis=(1, 2, 3))
        for method, error in enumerate(errors):
            # W - S_j = (W - S_k) + (S_k - S_j), which keeps the small error of the trained task k accurate
            task_errors = error[:, recorded, None] + (trained_task - sigma_yx)[:, None]
            losses[method, :, k] = excess(task_errors) + irreducible[:, None]
    theory = excess(sigma_yx[:, :, None] - sigma_yx[:, None]) + irreducible[:, None]
    return {"deviation": deviation, "exact": losses[0], "simulated": losses[1], "theory": theory}


def tabulate(values: Values, results: Sequence[Result]) -> Table:
    """Tabulate deviations and losses of all trials."""
    tasks = list(range(1, values["tasks"] + 1))
    dimensions = {
        "deviation": ("trial", "trained"),
        "exact": ("trial", "trained", "step", "task"),
        "simulated": ("trial", "trained", "step", "task"),
        "theory": ("trial", "trained", "task"),
    }
    return Table(
        coordinates={
            "trial": list(range(values["trials"])),
            "trained": tasks,
            "step": _recorded_steps(values),
            "task": tasks,
        },
        data={name: (axes, np.concatenate([result[name] for result in results])) for name, axes in dimensions.items()},
    )


def draw(table: Table) -> "Figure":
    """Draw the losses of all tasks in the first trial, and the largest deviations in all trials."""
    figure, (losses, deviations) = new_figure(2)
    _draw_losses(losses, table)
    trained = np.asarray(table.coordinates["trained"])
    for task, task_deviations in zip(trained, table.values("deviation").T, strict=True):
        offsets = np.linspace(-0.2, 0.2, len(task_deviations))
        deviations.semilogy(task + offsets, task_deviations, marker=".", linestyle="none")
    deviations.hlines(
        np.mean(table.values("deviation"), axis=0),
        trained - 0.3,
        trained + 0.3,
        color=THEORY,
        linewidth=1,
        label="mean",
    )
    deviations.set(title="largest deviation from descent, all trials", xlabel="task trained", ylabel="entry of W2 W1")
    deviations.set_xticks(trained)
    deviations.legend(frameon=False)
    return figure


def _draw_losses(axes: Axes, table: Table) -> None:
    step, trained, tasks = (table.coordinates[name] for name in ("step", "trained", "task"))
    steps = (step + step[-1] * (np.asarray(trained)[:, None] - 1)).ravel()
    exact, simulated, theory = (table.values(name)[0] for name in ("exact", "simulated", "theory"))
    for i, task in enumerate(tasks):
        axes.plot(steps, simulated[:, :, i].ravel(), linewidth=3, alpha=0.6, label=f"task {task}")
        label = "exact" if task == tasks[-1] else None
        axes.plot(steps, exact[:, :, i].ravel(), color=THEORY, linewidth=0.8, linestyle="--", label=label)
    ends = step[-1] * np.asarray(trained)
    axes.plot(
        np.repeat(ends, len(tasks)),
        theory.ravel(),
        color=THEORY,
        marker="_",
        linestyle="none",
        label="after convergence",
    )
    axes.set(title="first trial", xlabel="step", ylabel="loss", yscale="log")
    axes.legend(frameon=False, ncols=2)


def _segments(values: Values, w1: np.ndarray, w2: np.ndarray, sigma_yx: np.ndarray) -> tuple[Segment, ...]:
    """Solve one network exactly, task after task."""
    tasks = [ContinualTask(task) for task in sigma_yx]
    duration = values["learning_rate"] * values["steps"]
    return continual(w1, w2, values["lambda"], tasks, [duration] * len(tasks), 2).segments


def _functions(segment: Segment, times: np.ndarray) -> np.ndarray:
    """Return W2 W1 of the exact solution, (time, out, in)."""
    modes, functions = segment.solution.modes, np.empty((len(times), *segment.task.sigma_yx.shape))
    for batch, factors in segment.solution.batches(times):
        functions[batch] = modes.u @ (factors.out @ factors.into.mT) @ modes.v.T
    return functions


def _recorded_steps(values: Values) -> np.ndarray:
    """Return the steps of a segment at which losses are recorded, including the first and the last."""
    last: int = values["steps"]
    geometric = np.rint(np.geomspace(1, last, _MAX_RECORDED_STEPS)).astype(np.intp)
    return np.unique(np.concatenate([[0], geometric]))


def _seconds(values: Values) -> float:
    """Estimate the seconds that a cell takes on one worker."""
    steps = values["steps"] * values["tasks"] * min(values["trials"], _TRIALS_PER_CELL)
    return 0.02 + steps * (2.2e-6 + 9e-8 * values["size"] ** 2)


EXPERIMENT = Experiment(
    name="figure-4.6",
    title="Continual learning",
    description=(
        "Losses of all tasks while a lambda-balanced network learns one after the other, from the chain of exact "
        "solutions and from gradient descent: the largest deviation of an entry of W2 W1 over all steps of each task, "
        "and the losses after complete learning of each task, 1/2 ||S_k - S_j||^2 + c_j. "
        "Tasks are Gaussian targets on whitened Gaussian inputs; weights are unaligned, their product that of two "
        "standard normal matrices. Losses are 1/(2P) ||W X - Y||^2. The published figure has one trial. Source: "
        "thesis section 4.4, Figure 4.6; Braun et al. (2022), arXiv 2206.03738."
    ),
    parameters={
        "size": Parameter(5, "units of each layer", 1, 10),
        "samples_per_unit": Parameter(5, "samples of a task per unit", 1, 100),
        "tasks": Parameter(4, "tasks learned one after the other", 1, 10),
        "lambda": Parameter(1.0, "balance of the weights", -100, 100),
        "learning_rate": Parameter(0.01, "learning rate of gradient descent", 1e-5, 0.1),
        "steps": Parameter(6000, "steps of gradient descent on each task", 1, 10_000),
        "trials": Parameter(10, "random sequences of tasks and networks", 1, 100),
        "seed": Parameter(0, "seed of tasks and weights", 0, 2**32 - 1),
    },
    cells=cells,
    run=run,
    tabulate=tabulate,
    draw=draw,
    seconds=_seconds,
)
