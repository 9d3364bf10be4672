"""Loss, network function, representations and kernel of unaligned networks: exact solution over gradient descent."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.kernel import ntk
from lindyn_service.dynamics.linear_descent import LinearDescent
from lindyn_service.dynamics.modal_loss import Objective, objective
from lindyn_service.dynamics.modal_weights import ModalWeights, modal_weights
from lindyn_service.dynamics.observables import input_representation, loss, output, output_representation
from lindyn_service.dynamics.riccati import solve
from lindyn_service.dynamics.tasks import Moments, regression
from lindyn_service.experiments.base import Cell, Experiment, Parameter, Result, Table, Values
from lindyn_service.experiments.style import THEORY, Axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Layers = tuple[np.ndarray, np.ndarray]

_QUANTITIES = {
    "loss": loss,
    "output": output,
    "input_representation": input_representation,
    "output_representation": output_representation,
    "ntk": ntk,
}
_TITLES = ("loss", "$W_2 W_1$", "$W_1^T W_1$", "$W_2 W_2^T$", "tangent kernel, one sample")
_NETWORKS_PER_CELL = 60
_RECORDS = 400


def cells(values: Values) -> list[Cell]:
    """Return cells of several trials each, with all balances."""
    trials = range(values["trials"])
    size = max(1, _NETWORKS_PER_CELL // len(values["lambdas"]))
    return [{"trials": list(trials[first : first + size])} for first in trials[::size]]


def run(values: Values, cell: Cell) -> Result:
    """Train the networks of all trials together, and compare each with the exact solution."""
    eta, lambdas = values["learning_rate"], values["lambdas"]
    tasks = [_task(values, trial) for trial in cell["trials"]]
    starts = [[_weights(values, trial, lam) for lam in lambdas] for trial in cell["trials"]]
    initial = tuple(np.array([[pair[layer] for pair in row] for row in starts]) for layer in (0, 1))
    sigma_yx = np.array([[task.sigma_yx] for task in tasks])
    steps = recorded_steps(values)
    trained = LinearDescent(initial, sigma_yx, None, eta).record(steps.tolist())
    results: list[Result] = []
    for trial, task in enumerate(tasks):
        task_objective = objective(task)
        for i, lam in enumerate(lambdas):
            exact = _exact(starts[trial][i], task, lam, eta * steps)
            simulated = trained.layers[0][:, trial, i], trained.layers[1][:, trial, i]
            results.append(_compare(task_objective, exact, simulated))
    stacked = {name: np.stack([result[name] for result in results]) for name in results[0]}
    return {name: array.reshape(len(tasks), len(lambdas), *array.shape[1:]) for name, array in stacked.items()}


def tabulate(values: Values, results: Sequence[Result]) -> Table:
    """Tabulate the deviations of all trials, and the curves of the first trial."""
    deviation, movement = (np.concatenate([r[name] for r in results]) for name in ("deviation", "ntk_movement"))
    data: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "deviation": (("trial", "lambda", "quantity"), deviation),
        "ntk_movement": (("trial", "lambda"), movement),
    }
    for name in _QUANTITIES:
        for method in ("exact", "simulated"):
            entries = () if name == "loss" else ("row", "column")
            data[f"{method}_{name}"] = (("lambda", "step", *entries), results[0][f"{method}_{name}"][0])
    numbers = list(range(values["size"]))
    return Table(
        coordinates={
            "trial": list(range(values["trials"])),
            "lambda": values["lambdas"],
            "quantity": list(_QUANTITIES),
            "step": recorded_steps(values),
            "row": numbers,
            "column": numbers,
        },
        data=data,
    )


def draw(table: Table) -> "Figure":
    """Draw the first trial: a row of panels for each balance."""
    lambdas, steps = table.coordinates["lambda"], np.asarray(table.coordinates["step"])
    figure, panels = new_figure(len(_QUANTITIES) * len(lambdas), columns=len(_QUANTITIES))
    remaining_panels = iter(panels)
    for i, lam in enumerate(lambdas):
        for name, title in zip(_QUANTITIES, _TITLES, strict=True):
            axes = next(remaining_panels)
            simulated, exact = (
                table.values(f"{method}_{name}")[i].reshape(len(steps), -1) for method in ("simulated", "exact")
            )
            _draw_overlay(axes, steps, simulated, exact)
            axes.set(title=f"{title}, λ = {lam:g}", xlabel="step", ylabel="loss" if name == "loss" else "entries")
    panels[0].legend(frameon=False)
    return figure


def recorded_steps(values: Values) -> np.ndarray:
    """Return step 0, and steps up to the last that are evenly spaced on a logarithmic axis."""
    last: int = values["steps"]
    return np.unique(np.rint(np.concatenate([[0.0], np.geomspace(1, last, _RECORDS)])).astype(int))


def _draw_overlay(axes: Axes, steps: np.ndarray, simulated: np.ndarray, exact: np.ndarray) -> None:
    axes.semilogx(steps[1:], simulated[1:], linewidth=3, alpha=0.6)
    axes.semilogx(steps[1:], exact[1:], color=THEORY, linewidth=1, linestyle="--")
    axes.lines[0].set_label("gradient descent")
    axes.lines[-1].set_label("exact")


def _task(values: Values, trial: int) -> Moments:
    rng = np.random.default_rng([values["seed"], trial, 0])
    return regression(values["size"], values["size"], values["samples"], rng)


def _weights(values: Values, trial: int, lam: float) -> Layers:
    """Draw balanced weights; those of all balances have the same singular vectors and the same product."""
    rng, size = np.random.default_rng([values["seed"], trial, 1]), values["size"]
    return balanced_weights((size, size, size), lam, values["scale"], rng)


def _exact(initial: Layers, task: Moments, lam: float, times: np.ndarray) -> Layers:
    """Return the exact weights up to a rotation of the hidden units, to which all quantities are invariant."""
    solution = solve(*initial, task.sigma_yx, lam)
    factors = solution.at(times)
    return (solution.modes.v @ factors.into).mT, solution.modes.u @ factors.out


def _compare(task_objective: Objective, exact: Layers, simulated: Layers) -> Result:
    """Return the largest absolute deviations over steps and entries, the kernel movement, and the curves."""
    weights = {
        "exact": modal_weights(task_objective, exact, 1.0),
        "simulated": modal_weights(task_objective, simulated, 1.0),
    }
    result: dict[str, np.ndarray] = {}
    deviations: list[float] = []
    for name, observe in _QUANTITIES.items():
        values = {method: observe(modal) for method, modal in weights.items()}
        deviations.append(float(np.max(np.abs(values["exact"] - values["simulated"]))))
        result |= {f"{method}_{name}": _plotted(name, weights[method], array) for method, array in values.items()}
        if name == "ntk":
            start, end = values["exact"][0], values["exact"][-1]
            result["ntk_movement"] = np.array(np.linalg.norm(end - start) / np.linalg.norm(start))
    return {"deviation": np.array(deviations), **result}


def _plotted(name: str, weights: ModalWeights, values: np.ndarray) -> np.ndarray:
    """Return the values that the figure shows: of the kernel only the block of the first sample."""
    if name != "ntk":
        return values
    n_out = len(weights.objective.u)
    return values.reshape(len(values), n_out, -1, n_out, values.shape[1] // n_out)[:, :, 0, :, 0]


def _seconds(values: Values) -> float:
    """Estimate the seconds that a cell takes on one worker."""
    n_lambdas = len(values["lambdas"])
    networks = n_lambdas * min(values["trials"], max(1, _NETWORKS_PER_CELL // n_lambdas))
    return 0.08 + values["steps"] * (1e-5 + 3.5e-7 * networks) * values["size"] / 3


EXPERIMENT = Experiment(
    name="figure-3.3",
    title="Exact and simulated dynamics of unaligned networks",
    description=(
        "Loss, network function, representations and neural tangent kernel of lambda-balanced networks, exact over "
        "simulated by gradient descent, at steps that are even on a logarithmic axis: the largest absolute deviation "
        "of an entry over all steps, and ||K(T) - K(0)|| / ||K(0)|| of the kernel on the samples. Both kernels are "
        "compared, whereas the published figure shows the simulated one twice. Tasks are Gaussian targets on whitened "
        "Gaussian inputs; the networks of a trial have one initial function, a product of standard Gaussian matrices. "
        "Source: thesis Theorem 3.3.1, corrected, and section 3.3."
    ),
    parameters={
        "size": Parameter(3, "units of each layer", 1, 5),
        "samples": Parameter(10, "samples of a task", 5, 20),
        "lambdas": Parameter([-50.0, 0.01, 50.0], "balances of the weights", -100, 100, longest=6),
        "scale": Parameter(1.0, "standard deviation of the Gaussian matrices", 0.01, 3),
        "learning_rate": Parameter(2e-4, "learning rate of gradient descent", 1e-5, 1e-2),
        "steps": Parameter(50_000, "steps of gradient descent", 1, 100_000),
        "trials": Parameter(5, "random tasks and networks", 1, 100),
        "seed": Parameter(0, "seed of tasks and weights", 0, 2**53 - 1),
    },
    cells=cells,
    run=run,
    tabulate=tabulate,
    draw=draw,
    seconds=_seconds,
)
