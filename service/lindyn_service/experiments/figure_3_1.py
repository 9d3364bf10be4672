"""Balance of common random initialisations: the entries of B approach those of lambda* I, the norm does not."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lindyn_service.dynamics.balance import balance
from lindyn_service.dynamics.balance_statistics import predicted
from lindyn_service.dynamics.random_weights import Scheme, random_weights, variance
from lindyn_service.experiments.base import Cell, Experiment, Parameter, Result, Table, Values
from lindyn_service.experiments.style import THEORY, Axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SCHEMES: Mapping[str, Scheme] = {"LeCun": "lecun", "He": "he", "scaled": "scaled", "Glorot": "glorot"}


def cells(values: Values) -> list[Cell]:
    """Return one cell for each scheme."""
    return [{"scheme": name} for name in _SCHEMES]


def run(values: Values, cell: Cell) -> Result:
    """Measure the balance of random weights of one scheme; all schemes use the same normal numbers."""
    dims, scheme, gains = _dims(values), _SCHEMES[cell["scheme"]], _gains(values, cell["scheme"])
    draws: int = values["draws"]
    lam, distance, on, off = np.empty((4, draws))
    first = np.empty(0)
    for i in range(draws):
        w1, w2 = random_weights(dims, scheme, gains, np.random.default_rng([values["seed"], i]))
        b, measured = w2.T @ w2 - w1 @ w1.T, balance(w1, w2)
        lam[i] = measured.lam
        distance[i] = _ratio(measured.residual, measured.lam, len(b))
        on[i], off[i] = _spreads(b)
        first = first if i else b
    expected = predicted(dims, *_variances(dims, scheme, gains))
    mean = float(expected.mean[0, 0])
    # lambda* is the mean of the n independent diagonal entries of the draw itself, so E ||B - lambda* I||^2 is the sum
    # of the variances of all entries less n Var(lambda*), which equals the variance of one diagonal entry
    residual = math.sqrt(float(np.sum(expected.variance) - expected.variance[0, 0]))
    return {
        "lambda": lam,
        "relative_distance": distance,
        "diagonal_variance": on,
        "off_diagonal_variance": off,
        "balance": first,
        "lambda_theory": np.array(mean),
        "relative_distance_theory": np.array(_ratio(residual, mean, len(first))),
        "diagonal_variance_theory": np.array(expected.variance[0, 0]),
        "off_diagonal_variance_theory": np.array(expected.variance[0, -1]),
    }


def tabulate(values: Values, results: Sequence[Result]) -> Table:
    """Tabulate all schemes."""
    dimensions = {"balance": ("scheme", "unit", "other_unit")}
    units = list(range(values["hidden"]))
    return Table(
        coordinates={
            "scheme": list(_SCHEMES),
            "draw": list(range(values["draws"])),
            "unit": units,
            "other_unit": units,
        },
        data={
            name: (
                dimensions.get(name, ("scheme",) if name.endswith("theory") else ("scheme", "draw")),
                np.stack([result[name] for result in results]),
            )
            for name in results[0]
        },
    )


def draw(table: Table) -> "Figure":
    """Draw B of the first draw of each scheme, and lambda* and the distance from lambda* I of all draws."""
    figure, panels = new_figure(len(_SCHEMES) + 2)
    for name, b, axes in zip(_SCHEMES, table.values("balance"), panels, strict=False):
        largest = float(np.max(np.abs(b)))
        image = axes.imshow(b, cmap="RdBu_r", vmin=-largest, vmax=largest)
        axes.figure.colorbar(image, ax=axes, shrink=0.85)
        axes.grid(visible=False)
        axes.set(title=f"{name}: $B$", xlabel="hidden unit", ylabel="hidden unit")
    _draw_spread(panels[-2], table, "lambda", "λ* = tr B / hidden units")
    _draw_spread(panels[-1], table, "relative_distance", "‖B - λ*I‖ / ‖λ*I‖")
    panels[-1].set_ylim(bottom=0)
    return figure


def _draw_spread(axes: Axes, table: Table, name: str, label: str) -> None:
    """Draw the values of all draws of each scheme, and the prediction."""
    values, theory = table.values(name), table.values(f"{name}_theory")
    positions = np.arange(len(values))
    offsets = np.linspace(-0.2, 0.2, values.shape[1])
    axes.plot((positions[:, None] + offsets).T, values.T, linestyle="none", marker=".", markersize=4)
    axes.hlines(theory, positions - 0.3, positions + 0.3, color=THEORY, linewidth=1, label="theory")
    axes.set_xticks(positions, _SCHEMES)
    axes.set(ylabel=label)
    axes.legend(frameon=False)


def _dims(values: Values) -> tuple[int, int, int]:
    return values["inputs"], values["hidden"], values["outputs"]


def _gains(values: Values, name: str) -> tuple[float, float]:
    return (values["gain_1"], values["gain_2"]) if name == "scaled" else (1.0, 1.0)


def _variances(dims: tuple[int, int, int], scheme: Scheme, gains: tuple[float, float]) -> tuple[float, float]:
    return variance(scheme, dims[0], dims[1], gains[0]), variance(scheme, dims[1], dims[2], gains[1])


def _ratio(residual: float, lam: float, hidden: int) -> float:
    """Return the residual over ||lam I||, or NaN if lam is 0."""
    return residual / (abs(lam) * math.sqrt(hidden)) if lam else math.nan


def _spreads(b: np.ndarray) -> tuple[float, float]:
    """Return unbiased variances of the entries of B: on the diagonal about their mean, and off it about 0."""
    return float(np.var(np.diagonal(b), ddof=1)), float(np.mean(b[~np.eye(len(b), dtype=bool)] ** 2))


def _seconds(values: Values) -> float:
    """Estimate the seconds that a cell takes on one worker."""
    draws, hidden = values["draws"], values["hidden"]
    return 0.01 + 2.1e-8 * draws * hidden * (values["inputs"] + values["outputs"] + hidden)


EXPERIMENT = Experiment(
    name="figure-3.1",
    title="Balance of random initial weights",
    description=(
        "B = W2^T W2 - W1 W1^T for weights drawn by the schemes of LeCun, He and Glorot and by LeCun's with gains "
        "(scaled): the nearest multiple lambda* I, the distance from it relative to ||lambda* I||, and the variances "
        "of the entries on and off the diagonal within a draw, with what theory predicts for the widths. The entries "
        "approach those of lambda* I as the widths grow; the relative distance does not vanish. The widths are those "
        "of the published figure; its title and the text give other ones. Source: thesis section 3.1, with the "
        "variance of Theorem 3.1.1 corrected (2, not 4, on the diagonal)."
    ),
    parameters={
        "inputs": Parameter(40, "input units", 1, 300),
        "hidden": Parameter(120, "hidden units", 2, 300),
        "outputs": Parameter(200, "output units", 1, 300),
        "draws": Parameter(50, "random networks of each scheme", 1, 200),
        "gain_1": Parameter(1.0, "gain of the first layer, scheme scaled", 0.01, 100),
        "gain_2": Parameter(2.0, "gain of the second layer, scheme scaled", 0.01, 100),
        "seed": Parameter(0, "seed of the random weights", 0, 2**53 - 1),
    },
    cells=cells,
    run=run,
    tabulate=tabulate,
    draw=draw,
    seconds=_seconds,
)
