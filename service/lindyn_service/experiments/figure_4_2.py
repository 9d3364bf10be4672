"""Representations after gradient descent on the semantic task, from several kinds of initial weights."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lindyn_service.dynamics.balance import balance
from lindyn_service.experiments import semantic_descent
from lindyn_service.experiments.base import Cell, Experiment, Result, Table, Values
from lindyn_service.experiments.style import Axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def run(values: Values, cell: Cell) -> Result:
    """Train all trials of one kind; return Q Q^T of the first, and the distances of all from the balanced limit."""
    levels = values["levels"]
    layers = semantic_descent.draw_weights(values, cell)
    descent = semantic_descent.descent(layers, values)
    w1, w2 = (w[0] for w in descent.record([values["steps"]]).layers)
    lambdas = np.array([balance(*pair).lam for pair in zip(w1, w2, strict=True)])
    task, size = semantic_descent.features(levels), 2**levels
    limits = np.stack([limit(task, float(lam)) for lam in lambdas])
    q = np.concatenate([w1.mT, w2], axis=1)
    return {
        "qqt": q[0] @ q[0].T,
        "limit": limits[0],
        "lambda_star": lambdas,
        "input_deviation": _relative_distances(w1.mT @ w1, limits[:, :size, :size]),
        "output_deviation": _relative_distances(w2 @ w2.mT, limits[:, size:, size:]),
        "loss": descent.excess(),
    }


def limit(task: np.ndarray, lam: float) -> np.ndarray:
    """Return Q Q^T of a balanced network that has learned all modes of a square task of full rank.

    W1^T W1 = V diag((sqrt(lam^2 + 4 s^2) - lam) / 2) V^T and W2 W2^T = U diag((sqrt(lam^2 + 4 s^2) + lam) / 2) U^T.
    """
    u, s, vt = np.linalg.svd(task)
    larger = np.hypot(s, lam / 2) + abs(lam) / 2
    smaller = s * s / larger
    into, out = (smaller, larger) if lam >= 0 else (larger, smaller)
    return np.block([[(vt.T * into) @ vt, task.T], [task, (u * out) @ u.T]])


def tabulate(values: Values, results: Sequence[Result]) -> Table:
    """Tabulate all kinds of initial weights."""
    numbers = list(range(2 ** (values["levels"] + 1)))
    dimensions = {
        "qqt": ("network", "row", "column"),
        "limit": ("network", "row", "column"),
        "lambda_star": ("network", "trial"),
        "input_deviation": ("network", "trial"),
        "output_deviation": ("network", "trial"),
        "loss": ("network", "trial"),
    }
    return Table(
        coordinates={
            "network": semantic_descent.names(values),
            "row": numbers,
            "column": numbers,
            "trial": list(range(values["trials"])),
        },
        data={name: (axes, np.stack([result[name] for result in results])) for name, axes in dimensions.items()},
    )


def draw(table: Table) -> "Figure":
    """Draw Q Q^T of one trial of each kind."""
    kinds = table.coordinates["network"]
    figure, panels = new_figure(len(kinds), columns=4)
    for axes, name, qqt in zip(panels, kinds, table.values("qqt"), strict=True):
        _draw_matrix(axes, qqt, name)
    return figure


def _draw_matrix(axes: Axes, matrix: np.ndarray, title: str) -> None:
    largest, count = float(np.max(np.abs(matrix))), len(matrix)
    image = axes.imshow(matrix, cmap="RdBu_r", vmin=-largest, vmax=largest, extent=(0.5, count + 0.5, count + 0.5, 0.5))
    axes.figure.colorbar(image, ax=axes)
    axes.grid(visible=False)
    for line in (axes.axhline, axes.axvline):
        line((count + 1) / 2, color="black", linewidth=0.8)
    axes.set(title=title, xlabel="items, features", ylabel="items, features")


def _relative_distances(matrices: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return np.linalg.norm(matrices - expected, axis=(1, 2)) / np.linalg.norm(expected, axis=(1, 2))


EXPERIMENT = Experiment(
    name="figure-4.2",
    title="Representations after learning the semantic task",
    description=(
        "Q Q^T = [W1^T W1, W^T; W, W2 W2^T] after gradient descent from Gaussian and balanced weights, and the "
        "relative Frobenius distance of its diagonal blocks from the limit of the gradient flow from balanced "
        "weights, with lambda* = tr(B) / n of the final weights: finite steps change it slightly, and for Gaussian "
        "weights, which are not balanced, it is only the mean of the diagonal of B. The lambda of the initial weights "
        "would give larger distances than the published ones. "
        + semantic_descent.PROTOCOL
        + "Source: thesis section 4.3, Figure 4.2, with the limits of Theorem 4.1.1, corrected."
    ),
    parameters=semantic_descent.parameters(),
    cells=semantic_descent.cells,
    run=run,
    tabulate=tabulate,
    draw=draw,
    seconds=lambda values: semantic_descent.seconds(values, values["steps"]),
)
