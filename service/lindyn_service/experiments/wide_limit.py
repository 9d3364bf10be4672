"""Wide random networks against their limit: how fast they come near, and which lambda predicts the loss."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lindyn_service.dynamics.balance import balance
from lindyn_service.dynamics.closed_form import closed_form
from lindyn_service.dynamics.convergence import excess_loss_at
from lindyn_service.dynamics.flow import Flow
from lindyn_service.dynamics.random_weights import random_weights
from lindyn_service.dynamics.reduction import reduction
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.dynamics.wide_limit import equivalent_balanced, isotropy, wide_layers
from lindyn_service.experiments.base import Cell, Experiment, Parameter, Result, Table, Values
from lindyn_service.experiments.style import THEORY, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_N_TIMES = 40
_LAST = 4.0  # time, in units of 1 / lambda_eff
_TOLERANCE = 1e-9  # of the flow of draws


def cells(values: Values) -> list[Cell]:
    """Return one cell for each hidden width."""
    return [{"hidden": hidden} for hidden in values["hidden"]]


def run(values: Values, cell: Cell) -> Result:
    """Compute the losses of draws of one width, and those of two balanced networks with the same network function."""
    dims = values["inputs"], cell["hidden"], values["outputs"]
    task = np.random.default_rng([values["seed"], 0]).standard_normal((dims[2], dims[0]))
    size = wide_layers(dims, "lecun", (1.0, 1.0)).lambda_eff
    times = np.linspace(0.0, _LAST, _N_TIMES) / size
    losses = np.empty((3, values["draws"], _N_TIMES))
    measured = np.empty((2, values["draws"]))
    for draw in range(values["draws"]):
        w1, w2 = random_weights(dims, "lecun", (1.0, 1.0), np.random.default_rng([values["seed"], 1, draw]))
        balanced = balance(w1, w2).lam
        measured[:, draw] = isotropy(w1, w2).lambda_eff, balanced
        losses[0, draw] = _integrated((w1, w2), task, times)
        losses[1, draw] = _predicted(w2 @ w1, task, size, times)
        losses[2, draw] = _predicted(w2 @ w1, task, abs(balanced), times)
    deviations = np.max(np.abs(losses[1:] - losses[0]), axis=2) / losses[0, :, 0]
    return {
        "times": times,
        "loss": losses[0],
        "loss_by_lambda_eff": losses[1],
        "loss_by_balance": losses[2],
        "deviation_by_lambda_eff": deviations[0],
        "deviation_by_balance": deviations[1],
        "lambda_eff": measured[0],
        "lambda": measured[1],
    }


def _integrated(layers: tuple[np.ndarray, np.ndarray], task: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the losses of a draw, by its gradient flow in the dimensions that it spans."""
    small = reduction(layers, Moments(task))
    flow = Flow(small.weights, small.moments.sigma_yx, None, rtol=_TOLERANCE, atol=_TOLERANCE)
    residuals = np.concatenate([networks.residual for _, networks in flow.batches(times)])
    return 0.5 * np.einsum("tij,tij->t", residuals, residuals)


def _predicted(function: np.ndarray, task: np.ndarray, size: float, times: np.ndarray) -> np.ndarray:
    """Return the losses of the balanced network with |lambda| = size that starts from a network function."""
    w1, w2, lam = equivalent_balanced(function, size)
    return excess_loss_at(closed_form(w1, w2, task, lam), times)


def tabulate(values: Values, results: Sequence[Result]) -> Table:
    """Tabulate deviations and losses along hidden widths and draws."""
    dimensions = {"times": ("hidden", "step")}
    return Table(
        coordinates={
            "hidden": list(values["hidden"]),
            "draw": list(range(values["draws"])),
            "step": list(range(_N_TIMES)),
        },
        data={
            name: (
                dimensions.get(name, ("hidden", "draw", "step") if name.startswith("loss") else ("hidden", "draw")),
                np.stack([result[name] for result in results]),
            )
            for name in results[0]
        },
    )


def draw(table: Table) -> "Figure":
    """Draw the deviations against the width, and the losses of the first draw of the widest network."""
    figure, (widths, losses) = new_figure(2)
    hidden = np.asarray(table.coordinates["hidden"], dtype=float)
    labels = {"lambda_eff": r"$\lambda_{eff} = n_h (v_1 + v_2)$", "balance": r"$\lambda^* = tr\,B / n_h$"}
    means = {name: np.mean(table.values(f"deviation_by_{name}"), axis=1) for name in labels}
    for name, label in labels.items():
        widths.loglog(hidden, means[name], marker="o", label=label)
    slope = means["lambda_eff"][0] * np.sqrt(hidden[0] / hidden)
    widths.loglog(hidden, slope, color=THEORY, linewidth=1, label="$n_h^{-1/2}$")
    widths.set(
        title="Largest deviation of the loss", xlabel="hidden units $n_h$", ylabel="relative to the initial loss"
    )
    widths.legend(frameon=False)
    times = np.linspace(0.0, _LAST, _N_TIMES)
    losses.plot(times, table.values("loss")[-1, 0], label="draw")
    by_size, by_balance = (table.values(f"loss_by_{name}")[-1, 0] for name in labels)
    losses.plot(times, by_size, color=THEORY, linestyle="--", label=r"by $\lambda_{eff}$")
    losses.plot(times, by_balance, label=r"by $\lambda^*$")
    losses.set(title=f"{hidden[-1]:.0f} hidden units", xlabel=r"$\lambda_{eff}\, t / \tau$", ylabel="excess loss")
    losses.legend(frameon=False)
    return figure


def _seconds(values: Values) -> float:
    """Estimate the seconds that a cell takes on one worker."""
    widths = values["inputs"] + values["outputs"]
    draw_seconds = 0.012 + 1.3e-7 * sum(values["hidden"]) / len(values["hidden"]) * widths
    return 0.01 + values["draws"] * draw_seconds


EXPERIMENT = Experiment(
    name="wide-limit",
    title="Wide random networks and their limit",
    description=(
        "Networks of two layers drawn by LeCun's scheme learn a Gaussian task on white inputs. Their losses are "
        "compared with those of two balanced networks that start from the same network function: that of the limit of"
        " wide layers, |lambda| = lambda_eff = hidden (v1 + v2) with the variances v of the entries, and one with "
        "|lambda| = tr B / hidden of the draw. The deviation is the largest over 40 times until 4 / lambda_eff, "
        "relative to the initial loss. It falls as hidden^(-1/2) for lambda_eff, and stays for tr B / hidden. Source:"
        " the theory page, section 7; Tu, Aranguri and Jacot (2024), arXiv 2405.17580, for equal variances."
    ),
    parameters={
        "inputs": Parameter(6, "input units", 1, 30),
        "outputs": Parameter(4, "output units", 1, 30),
        "hidden": Parameter((256, 512, 1024, 2048, 4096, 8192, 16384), "hidden units", 1, 20_000, longest=20),
        "draws": Parameter(16, "random networks of each width", 1, 200),
        "seed": Parameter(0, "seed of the task and the weights", 0, 2**53 - 1),
    },
    cells=cells,
    run=run,
    tabulate=tabulate,
    draw=draw,
    seconds=_seconds,
)
