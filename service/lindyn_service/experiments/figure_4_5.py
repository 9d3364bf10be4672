"""Task-specificity of the representations of a converged network against lambda."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lindyn_service.dynamics.convergence import converged
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.modal_loss import objective
from lindyn_service.dynamics.modal_weights import modal_weights
from lindyn_service.dynamics.mode_overlap import mode_overlap
from lindyn_service.dynamics.riccati import Solution, solve
from lindyn_service.dynamics.similarity import task_specificity
from lindyn_service.dynamics.tasks import semantic
from lindyn_service.experiments.base import Cell, Experiment, Parameter, Result, Table, Values
from lindyn_service.experiments.style import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAGNITUDES = np.geomspace(1, 20, 30)
_LAMBDAS = np.concatenate([-_MAGNITUDES[::-1], [0.0], _MAGNITUDES])


def cells(values: Values) -> list[Cell]:
    """Return a single cell with all balances."""
    return [{"lambdas": list(values["lambdas"])}]


def run(values: Values, cell: Cell) -> Result:
    """Compute the scores of the exact state at infinite time."""
    moments = semantic(values["levels"])
    task_objective = objective(moments)
    scores: dict[str, list[float]] = {"input": [], "output": []}
    for lam in cell["lambdas"]:
        # the inputs are white up to a factor, so Y, (features, items), is the white-input task with the same minimum
        solution = _solution(values, len(task_objective.u) * moments.sigma_yx, lam)
        factors = converged(solution)
        layers = (solution.modes.v @ factors.into).mT, solution.modes.u @ factors.out
        for name, score in task_specificity(modal_weights(task_objective, layers, 1.0)).items():
            scores[name].append(float(score[0]))
    return {name: np.array(values) for name, values in scores.items()}


def tabulate(values: Values, results: Sequence[Result]) -> Table:
    """Tabulate the scores by lambda."""
    return Table(
        coordinates={"lambda": values["lambdas"]},
        data={name: (("lambda",), results[0][name]) for name in ("input", "output")},
    )


def draw(table: Table) -> "Figure":
    """Draw both scores against lambda."""
    figure, (axes,) = new_figure(1)
    order = np.argsort(table.coordinates["lambda"])
    lambdas = np.asarray(table.coordinates["lambda"])[order]
    for name, label, marker in (("input", "$W_1^T W_1$", "o"), ("output", "$W_2 W_2^T$", "s")):
        axes.plot(lambdas, table.values(name)[order], marker=marker, markersize=3.5, linewidth=1, label=label)
    axes.set(title="at convergence", xlabel="λ", ylabel="task-specific score")
    axes.legend(frameon=False, loc="lower center")
    return figure


def _solution(values: Values, features: np.ndarray, lam: float) -> Solution:
    """Solve from random weights that overlap with all modes; for lambda = 0, half of all draws miss the weakest."""
    rng, size = np.random.default_rng(values["seed"]), len(features)
    while True:
        solution = solve(*balanced_weights((size, size, size), lam, values["scale"], rng), features, lam)
        if not mode_overlap(solution).missed:
            return solution


EXPERIMENT = Experiment(
    name="figure-4.5",
    title="Task-specific score of converged representations",
    description=(
        "The score of a representation is its largest cosine with the modes of the semantic task or their squares: "
        "max(cos(W1^T W1, V S V^T), cos(W1^T W1, V S^2 V^T)) for the inputs, and the same of W2 W2^T with U for the "
        "outputs. It is computed from the exact state at infinite time, whereas the published score is that of "
        "gradient descent stopped at a certain loss. The state does not depend on the initial weights if they overlap "
        "with all modes; weights that do not, which are half of all at lambda = 0, are drawn again. Source: thesis "
        "(4.33) and (4.34), corrected, and section 4.3."
    ),
    parameters={
        "levels": Parameter(3, "splits of the semantic hierarchy; 2^levels units in each layer", 1, 5),
        "lambdas": Parameter(_LAMBDAS.tolist(), "balances of the weights", -1e4, 1e4, longest=200),
        "scale": Parameter(0.42, "standard deviation of the Gaussian matrices that give the initial weights", 1e-3, 10),
        "seed": Parameter(0, "seed of the initial weights", 0, 2**53 - 1),
    },
    cells=cells,
    run=run,
    tabulate=tabulate,
    draw=draw,
    seconds=lambda values: 0.001 * len(values["lambdas"]),
)
