"""Tasks learned one after the other, exact and simulated, and what becomes of the losses of all of them."""

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
_MOST_RECORDED = 100  # losses of a segment, denser where it begins


def cells(values: Values) -> list[Cell]:
    """Some trials each."""
    trials = range(values["trials"])
    return [{"trials": list(trials[first : first + _TRIALS_PER_CELL])} for first in trials[::_TRIALS_PER_CELL]]


def run(values: Values, cell: Cell) -> Result:
    """Train exactly and by descent; each goes on with the next task from its own weights."""
    sources = [np.random.default_rng([values["seed"], trial]) for trial in cell["trials"]]
    size, rate, steps = values["size"], values["learning_rate"], range(values["steps"] + 1)
    drawn = [regression_trials(size, values["samples_per_unit"] * size, sources) for _ in range(values["tasks"])]
    sigma_yx, irreducible = (np.stack(parts, axis=1) for parts in zip(*drawn, strict=True))
    layers = balanced_trials(size, values["lambda"], sources)
    courses = [_segments(values, *networks) for networks in zip(*layers, sigma_yx, strict=True)]
    recorded, times = _recorded(values), rate * np.arange(len(steps))
    deviation = np.empty(sigma_yx.shape[:2])
    losses = np.empty((2, *sigma_yx.shape[:2], len(recorded), values["tasks"]))
    for k in range(values["tasks"]):
        trained = LinearDescent(layers, sigma_yx[:, k], None, rate).record(steps)
        layers = tuple(w[-1] for w in trained.layers)
        exact = np.stack([_functions(segments[k], times) for segments in courses])
        trained_on = sigma_yx[:, None, k]
        errors = exact - trained_on, trained.errors.swapaxes(0, 1)
        deviation[:, k] = np.max(np.abs(errors[0] - errors[1]), axis=(1, 2, 3))
        for kind, error in enumerate(errors):
            # of the task that is trained, the error itself
            away = error[:, recorded, None] + (trained_on - sigma_yx)[:, None]
            losses[kind, :, k] = excess(away) + irreducible[:, None]
    theory = excess(sigma_yx[:, :, None] - sigma_yx[:, None]) + irreducible[:, None]
    return {"deviation": deviation, "exact": losses[0], "simulated": losses[1], "theory": theory}


def tabulate(values: Values, results: Sequence[Result]) -> Table:
    """All trials."""
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
            "step": _recorded(values),
            "task": tasks,
        },
        data={name: (of, np.concatenate([result[name] for result in results])) for name, of in dimensions.items()},
    )


def draw(table: Table) -> "Figure":
    """Losses of all tasks in the first trial, and largest deviations in all trials."""
    figure, (losses, deviations) = new_figure(2)
    _draw_losses(losses, table)
    trained = np.asarray(table.coordinates["trained"])
    for place, found in zip(trained, table.values("deviation").T, strict=True):
        deviations.semilogy(place + np.linspace(-0.2, 0.2, len(found)), found, marker=".", linestyle="none")
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
        last = task == tasks[-1]
        axes.plot(
            steps, exact[:, :, i].ravel(), color=THEORY, linewidth=0.8, linestyle="--", label="exact" if last else None
        )
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
    """The exact solution of one network, task after task."""
    tasks = [ContinualTask(task) for task in sigma_yx]
    duration = values["learning_rate"] * values["steps"]
    return continual(w1, w2, values["lambda"], tasks, [duration] * len(tasks), 2).segments


def _functions(segment: Segment, times: np.ndarray) -> np.ndarray:
    """W2 W1 of the exact solution, (time, out, in)."""
    modes, functions = segment.solution.modes, np.empty((len(times), *segment.task.sigma_yx.shape))
    for part, factors in segment.solution.batches(times):
        functions[part] = modes.u @ (factors.out @ factors.into.mT) @ modes.v.T
    return functions


def _recorded(values: Values) -> np.ndarray:
    """Steps of a segment at which losses are kept, the first and the last among them."""
    last: int = values["steps"]
    growing = np.rint(np.geomspace(1, last, _MOST_RECORDED)).astype(np.intp)
    return np.unique(np.concatenate([[0], growing]))


def _seconds(values: Values) -> float:
    """What a cell takes one worker."""
    steps = values["steps"] * values["tasks"] * min(values["trials"], _TRIALS_PER_CELL)
    return 0.02 + steps * (2.2e-6 + 9e-8 * values["size"] ** 2)


EXPERIMENT = Experiment(
    name="figure-4.6",
    title="Continual learning",
    description=(
        "Losses of all tasks while a lambda-balanced network learns one after the other, from the chain of exact "
        "solutions and from gradient descent: the largest deviation of an entry of W2 W1 over all steps of each task, "
        "and what the losses come to where each task is learned until nothing is left, 1/2 ||S_k - S_j||^2 + c_j. "
        "Tasks are Gaussian targets on whitened Gaussian inputs; weights are unaligned, their product that of two "
        "standard normal matrices. Losses are 1/(2P) ||W X - Y||^2. The published picture has one trial. Source: "
        "thesis section 4.4, Figure 4.6; Braun et al. (2022), arXiv 2206.03738."
    ),
    parameters={
        "size": Parameter(5, "units of each layer", 1, 10),
        "samples_per_unit": Parameter(5, "samples of a task over units", 1, 100),
        "tasks": Parameter(4, "learned one after the other", 1, 10),
        "lambda": Parameter(1.0, "balance of the weights", -100, 100),
        "learning_rate": Parameter(0.01, "of gradient descent", 1e-5, 0.1),
        "steps": Parameter(6000, "of gradient descent, on each task", 1, 10_000),
        "trials": Parameter(10, "random sequences of tasks and networks", 1, 100),
        "seed": Parameter(0, "of tasks and weights", 0, 2**32 - 1),
    },
    cells=cells,
    run=run,
    tabulate=tabulate,
    draw=draw,
    seconds=_seconds,
)
