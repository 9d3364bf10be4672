"""The semantic task: items in a hierarchy, their features, and the modes of both."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lindyn_service.dynamics.tasks import semantic
from lindyn_service.experiments.base import Cell, Experiment, Parameter, Result, Table, Values
from lindyn_service.experiments.style import Axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def cells(values: Values) -> list[Cell]:
    """Return a single cell."""
    return [{}]


def run(values: Values, cell: Cell) -> Result:
    """Return the singular value decomposition of the features, and the similarities of items and of features.

    The features are orthogonal and sorted by decreasing norm, so each of them is a mode. A numerical decomposition
    would return arbitrary mixtures of modes with equal singular values.
    """
    moments = semantic(values["levels"])
    # the inputs are the unit vectors, so P sigma_yx = Y X^T = Y
    features = len(moments.sigma_yx) * moments.sigma_yx
    s = np.linalg.norm(features, axis=1)
    vt = features / s[:, None]
    return {
        "features": features,
        "singular_values": s,
        "item_modes": vt,
        "feature_modes": np.eye(len(s)),
        "item_similarity": (vt.T * s) @ vt,
        "feature_similarity": np.diag(s),
    }


def tabulate(values: Values, results: Sequence[Result]) -> Table:
    """Tabulate the features, their modes and their similarities."""
    dimensions = {
        "features": ("feature", "item"),
        "singular_values": ("mode",),
        "item_modes": ("mode", "item"),
        "feature_modes": ("mode", "feature"),
        "item_similarity": ("item", "other_item"),
        "feature_similarity": ("feature", "other_feature"),
    }
    numbers = list(range(2 ** values["levels"]))
    names = ("item", "other_item", "feature", "other_feature", "mode")
    return Table(
        coordinates=dict.fromkeys(names, numbers),
        data={name: (axes, results[0][name]) for name, axes in dimensions.items()},
    )


def draw(table: Table) -> "Figure":
    """Draw the features, their singular values, and the similarities that a network learns in the rich regime."""
    figure, (features, singular_values, item_similarity, feature_similarity) = new_figure(4, columns=2)
    _draw_matrix(features, table.values("features"), "features $Y$", "item", "feature")
    singular_values.plot(np.arange(1, len(table.values("singular_values")) + 1), table.values("singular_values"), "o")
    singular_values.set(title="singular values of $Y$", xlabel="mode", ylabel="singular value", ylim=(0, None))
    _draw_matrix(item_similarity, table.values("item_similarity"), "items: $V S V^T$", "item", "item")
    _draw_matrix(feature_similarity, table.values("feature_similarity"), "features: $U S U^T$", "feature", "feature")
    return figure


def _draw_matrix(axes: Axes, matrix: np.ndarray, title: str, across: str, down: str) -> None:
    largest = float(np.max(np.abs(matrix)))
    count = len(matrix)
    image = axes.imshow(matrix, cmap="RdBu_r", vmin=-largest, vmax=largest, extent=(0.5, count + 0.5, count + 0.5, 0.5))
    axes.figure.colorbar(image, ax=axes)
    axes.grid(visible=False)
    axes.set(title=title, xlabel=across, ylabel=down)


EXPERIMENT = Experiment(
    name="figure-4.1",
    title="The semantic task",
    description=(
        "Features of the items of a binary hierarchy, one that all have and one for each of its splits (+1 on one "
        "side, -1 on the other), with their singular value decomposition Y = U S V^T. Equal singular values leave "
        "their vectors free to turn; the similarities V S V^T of the items and U S U^T of the features are unique. "
        "Source: Saxe et al. (2019), 10.1073/pnas.1820226116; thesis section 4.3."
    ),
    parameters={"levels": Parameter(3, "splits from the root to an item; 2^levels items", 1, 6)},
    cells=cells,
    run=run,
    tabulate=tabulate,
    draw=draw,
    seconds=lambda _: 0.001,
)
