"""Balance of networks with activation functions during continual learning."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lindyn_service.dynamics.back_propagation import NetworkGradient
from lindyn_service.dynamics.balance import balance
from lindyn_service.dynamics.descent import descend
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.layers import Layers
from lindyn_service.dynamics.linear_descent import LinearDescent
from lindyn_service.dynamics.tasks import Moments, Samples, from_data
from lindyn_service.experiments.base import Cell, Experiment, Parameter, Result, Table, Values
from lindyn_service.experiments.style import Axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACTIVATIONS = ("linear", "relu", "tanh")

_SAMPLES_PER_UNIT = 2
_SCALE = 1.0  # standard deviation of the Gaussian matrices behind the weights, as published
_TRIALS_PER_CELL = 4


def cells(values: Values) -> list[Cell]:
    """Return cells of a few trials with one size and activation each, whose networks are trained together."""
    trial_sizes = sizes(values)
    all_cells: list[Cell] = []
    for activation in ACTIVATIONS:
        for size in np.unique(trial_sizes):
            trials = np.flatnonzero(trial_sizes == size).tolist()
            batches = [trials[i : i + _TRIALS_PER_CELL] for i in range(0, len(trials), _TRIALS_PER_CELL)]
            all_cells += [{"activation": activation, "size": int(size), "trials": batch} for batch in batches]
    return all_cells


def sizes(values: Values) -> np.ndarray:
    """Draw the number of units of each layer for each trial, (trial,)."""
    bounds: list[int] = sorted((values["smallest_size"], values["largest_size"]))
    trials: int = values["trials"]
    return np.random.default_rng(values["seed"]).integers(bounds[0], bounds[1] + 1, trials)


def run(values: Values, cell: Cell) -> Result:
    """Train on one task after the other; return lambda* and the distance from balance before and after each task."""
    size, lambdas = cell["size"], values["lambdas"]
    sources = [np.random.default_rng([values["seed"], trial]) for trial in cell["trials"]]
    tasks = [[_draw_task(size, rng) for rng in sources] for _ in range(values["tasks"])]
    layers = _draw_weights(size, lambdas, [int(rng.integers(2**63)) for rng in sources])
    balances = [_balances(layers)]
    for task in tasks:
        trained = _train(layers, task, cell["activation"], values["learning_rate"], values["steps"])
        layers = tuple(w[0] for w in trained)
        balances.append(_balances(layers))
    lambda_star, distance = np.stack(balances, axis=-1)
    return {"trial": np.array(cell["trials"]), "lambda_star": lambda_star, "distance": distance}


def _draw_task(size: int, rng: np.random.Generator) -> Moments:
    """Draw Gaussian targets on centred and whitened Gaussian inputs."""
    inputs, targets = rng.standard_normal((2, _SAMPLES_PER_UNIT * size, size))
    return from_data(inputs - np.mean(inputs, axis=0), targets, whiten=True)


def _draw_weights(size: int, lambdas: Sequence[float], seeds: Sequence[int]) -> Layers:
    """Draw balanced weights, (trial, lambda, width, width) each; all lambdas of a trial use the same random numbers."""
    networks = [
        [balanced_weights((size, size, size), lam, _SCALE, np.random.default_rng(seed)) for lam in lambdas]
        for seed in seeds
    ]
    return tuple(np.array([[weights[layer] for weights in trial] for trial in networks]) for layer in range(2))


def _train(layers: Layers, tasks: Sequence[Moments], activation: str, rate: float, steps: int) -> Layers:
    """Train for some steps; returns layers of shape (1, trial, lambda, width, width). Each trial has its own task."""
    if activation == "linear":
        sigma_yx = np.stack([task.sigma_yx for task in tasks])[:, None]
        return LinearDescent(layers, sigma_yx, None, rate).record([steps]).layers
    samples: list[Samples] = [task.samples for task in tasks if task.samples is not None]
    inputs, targets = (
        np.stack(arrays)[:, None] for arrays in zip(*((s.inputs, s.targets) for s in samples), strict=True)
    )
    return descend(layers, NetworkGradient(inputs, targets, "relu" if activation == "relu" else "tanh"), rate, [steps])


def _balances(layers: Layers) -> np.ndarray:
    """Return lambda* and ||B - lambda* I||_F, (quantity, trial, lambda)."""
    rows = [[balance(*pair) for pair in zip(*trial, strict=True)] for trial in zip(*layers, strict=True)]
    return np.array([[[b.lam for b in row] for row in rows], [[b.residual for b in row] for row in rows]])


def tabulate(values: Values, results: Sequence[Result]) -> Table:
    """Tabulate both quantities along activations, lambdas, learned tasks and trials."""
    shape = (len(ACTIVATIONS), len(values["lambdas"]), values["tasks"] + 1, values["trials"])
    dimensions = ("activation", "lambda", "learned", "trial")
    data: dict[str, tuple[tuple[str, ...], np.ndarray]] = {"size": (("trial",), sizes(values))}
    activations = [ACTIVATIONS.index(cell["activation"]) for cell in cells(values)]
    for name in ("lambda_star", "distance"):
        array = np.empty(shape)
        for activation, result in zip(activations, results, strict=True):
            array[activation][..., result["trial"]] = np.moveaxis(result[name], 0, -1)
        data[name] = dimensions, array
        data[f"{name}_mean"] = dimensions[:-1], np.mean(array, axis=-1)
        data[f"{name}_standard_deviation"] = dimensions[:-1], np.std(array, axis=-1)
    coordinates = {
        "activation": list(ACTIVATIONS),
        "lambda": list(values["lambdas"]),
        "learned": list(range(values["tasks"] + 1)),
        "trial": list(range(values["trials"])),
    }
    return Table(coordinates, data)


def draw(table: Table) -> "Figure":
    """Draw means and standard deviations of both quantities against the number of learned tasks."""
    lambdas = table.coordinates["lambda"]
    figure, panels = new_figure(2 * len(lambdas), columns=len(lambdas))
    for column, lam in enumerate(lambdas):
        upper, lower = panels[column], panels[len(lambdas) + column]
        _draw_quantity(upper, table, "lambda_star", column)
        _draw_quantity(lower, table, "distance", column)
        upper.set(title=f"λ = {lam:g}", ylabel="fitted $λ^*$", xlabel="tasks learned")
        lower.set(ylabel="$‖B - λ^* I‖_F$", xlabel="tasks learned")
    panels[0].legend(frameon=False)
    return figure


def _draw_quantity(axes: Axes, table: Table, name: str, column: int) -> None:
    learned = np.asarray(table.coordinates["learned"])
    for i, activation in enumerate(table.coordinates["activation"]):
        mean, deviation = (table.values(f"{name}_{kind}")[i, column] for kind in ("mean", "standard_deviation"))
        shifted = learned + 0.06 * (i - 1)  # so that the error bars of the activations do not overlap
        axes.errorbar(shifted, mean, deviation, marker="os^"[i], markersize=4, capsize=3, label=activation)
    axes.set_xticks(learned)


def _seconds(values: Values) -> float:
    """Estimate the seconds that a cell takes on one worker."""
    size = (values["smallest_size"] + values["largest_size"]) / 2
    return 0.005 + values["steps"] * values["tasks"] * (1e-5 + 1e-7 * size**2)


EXPERIMENT = Experiment(
    name="figure-4.8",
    title="Balance of networks with activations",
    description=(
        "lambda* = tr(B) / n and ||B - lambda* I||_F of B = W2^T W2 - W1 W1^T, before training and after each of the "
        "tasks, for linear, ReLU and tanh hidden units. The gradient flow conserves B of linear networks and its "
        "diagonal with ReLU; with finite steps, both drift slightly. Sizes of the layers are drawn uniformly for each "
        "trial; tasks are Gaussian targets on Gaussian inputs, twice as many samples as units, and the product of the "
        "weights is that of two standard normal matrices. Inputs are centred before they are whitened, which "
        "reproduces the published values: without it, large ReLU networks end much further from balance. The "
        "published code takes 10,000 steps a task and 40 trials, its text 2,000 and 50. Source: thesis section "
        "4.5, Theorem 4.5.1, corrected, and Figure 4.8."
    ),
    parameters={
        "lambdas": Parameter((-10.0, 0.1, 10.0), "balances of the initial weights", -100, 100, longest=6),
        "smallest_size": Parameter(3, "units of each layer, at least", 1, 40),
        "largest_size": Parameter(19, "units of each layer, at most", 1, 40),
        "tasks": Parameter(2, "tasks learned one after the other", 1, 5),
        "learning_rate": Parameter(1e-3, "learning rate of gradient descent", 1e-6, 0.1),
        "steps": Parameter(10_000, "steps of gradient descent on each task", 1, 50_000),
        "trials": Parameter(40, "random sizes, tasks and weights", 1, 200),
        "seed": Parameter(0, "seed of sizes, tasks and weights", 0, 2**32 - 1),
    },
    cells=cells,
    run=run,
    tabulate=tabulate,
    draw=draw,
    seconds=_seconds,
)
