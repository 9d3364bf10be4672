"""Pictures of results with matplotlib, which is imported with this module.

Lines that differ in kind have the colours of Okabe and Ito, ordered lines those of the colour map cividis, and signed
values those of the colour map PuOr, so that readers with any colour vision can tell them apart.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from lindyn.results.axes import BLUE, ORDERED, AnyAxes, Style, given_or_new, is_geometric, ordered_colours, over_time
from lindyn.results.grid import Grid
from lindyn.results.labels import label
from lindyn.wire.array import FloatArray
from lindyn.wire.trajectory import TrajectoryReply
from lindyn.wire.wording import not_part_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AROUND_ZERO = "PuOr"

_Quantity: TypeAlias = FloatArray | Mapping[str, FloatArray] | Sequence[FloatArray]

_MAX_LEGEND_LINES = 4


class TrajectoryPlots:
    """Pictures of a trajectory. Every method draws into `ax`, or into a new figure, and returns the axes."""

    def __init__(self, times: FloatArray, quantities: Mapping[str, _Quantity], reply: TrajectoryReply) -> None:
        self._times = times
        self._quantities = quantities
        self._reply = reply

    def loss(self, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the loss over time, or the excess loss if the trajectory has no loss."""
        return self._scalar(("loss", "excess_loss"), ax, style)

    def ntk(self, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the distance of the neural tangent kernel from its initial value over time: 0 is lazy, more is rich."""
        axes = self._scalar(("ntk_distance",), ax, style)
        axes.autoscale(axis="y")  # an earlier call switched it off by its limit
        axes.set_ylim(bottom=0)
        return axes

    def modes(self, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the strength of each mode over time, and as a dashed line that of the best network function."""
        name, strengths = self._first_array(("singular_values", "mode_strengths"))
        axes = given_or_new(ax)
        colours = ordered_colours(strengths.shape[1])
        in_legend = len(colours) <= _MAX_LEGEND_LINES
        for i, colour in enumerate(colours):
            named = {"label": f"mode {i + 1}"} if in_legend else {}
            axes.plot(self._times, strengths[:, i], color=colour, **{**named, **style})
        for i, (target, colour) in enumerate(zip(self._reply.targets(name), colours, strict=False)):
            axes.axhline(target, color=colour, linestyle="--", linewidth=0.8, label="" if i else "target")
        return self._over_time(axes, label(name).words, True)

    def alignment(self, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the alignment of the network's singular vectors with the task's: inputs solid, outputs dashed.

        Lines of equally strong modes coincide; there is no line where the task or the network has no such mode.
        """
        self._require(("alignment",))
        sides = cast("Mapping[str, FloatArray]", self._quantities["alignment"])
        in_legend = sides["input"].shape[1] <= _MAX_LEGEND_LINES
        axes = given_or_new(ax)
        for side, line in (("input", "-"), ("output", "--")):
            values = sides[side]
            for i, colour in enumerate(ordered_colours(values.shape[1])):
                named = {"label": f"{side}, mode {i + 1}"} if in_legend else {}
                axes.plot(self._times, values[:, i], line, color=colour, **{**named, **style})
        axes.set_ylim(-0.05, 1.05)
        return self._over_time(axes, label("alignment").words, in_legend)

    def qqt(self, t: float, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the outer product of the stacked weights at the computed time that is nearest to `t`.

        Its blocks are W1^T W1, the representation of the inputs; W2 W1, the network function; and W2 W2^T, the
        representation of the outputs.
        """
        _, values = self._first_array(("qqt",))
        nearest = int(np.argmin(np.abs(self._times - t)))
        axes = given_or_new(ax)
        largest = float(np.max(np.abs(values))) or 1.0  # over all times, so that pictures can be compared
        image = axes.imshow(values[nearest], **{"cmap": AROUND_ZERO, "vmin": -largest, "vmax": largest, **style})
        n_in, n_out = self._reply.dims[0], self._reply.dims[-1]
        for line in (axes.axhline, axes.axvline):
            line(n_in - 0.5, color="0.3", linewidth=0.8)
        middles = [(n_in - 1) / 2, n_in + (n_out - 1) / 2]
        axes.set_xticks(middles, ["in", "out"])
        axes.set_yticks(middles, ["in", "out"], rotation=90, va="center")
        axes.set_title(f"{label('qqt').symbol} at t = {self._times[nearest]:.3g}")
        axes.figure.colorbar(image, ax=axes, label=label("qqt").words)
        return axes

    def _scalar(self, names: tuple[str, ...], ax: "Axes | None", style: dict[str, Style]) -> "Axes":
        name, values = self._first_array(names)
        axes = given_or_new(ax)
        axes.plot(self._times, values, **({"color": BLUE} | style if ax is None else style))
        return self._over_time(axes, label(name).words, "label" in style)

    def _first_array(self, names: tuple[str, ...]) -> tuple[str, FloatArray]:
        name = self._require(names)
        return name, cast("FloatArray", self._quantities[name])

    def _require(self, names: tuple[str, ...]) -> str:
        """Return the first of these quantities that the trajectory has."""
        for name in names:
            if name in self._quantities:
                return name
        known = ", ".join(self._quantities)
        raise ValueError(f"this picture needs {' or '.join(names)}; the trajectory has {known}: add it to quantities")

    def _over_time(self, axes: AnyAxes, words: str, legend: bool) -> "Axes":
        return over_time(axes, self._times, words, legend=legend)


class SweepPlots:
    """Pictures of the result of a job. Every method draws into `ax`, or into a new figure, and returns the axes."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid

    def heatmap(
        self, name: str, ax: "Axes | None" = None, *, x: str | None = None, y: str | None = None, **style: Style
    ) -> "Axes":
        """Draw an array over two dimensions, averaged over all others without the points that failed.

        A cell is white if all its points failed.

        Args:
            name: the array.
            ax: axes to draw into.
            x: dimension along x, by default the first one that has several values.
            y: dimension along y, by default the next one.
            style: keyword arguments of `pcolormesh`, such as `norm="log"`.
        """
        dims = self._dims_with_several_values(name)
        x = x or next((dim for dim in dims if dim != y), None)
        y = y or next((dim for dim in dims if dim != x), None)
        if x is None or y is None:
            raise ValueError(f"a heat map of {name} needs two dimensions with several values; {self._has(name)}")
        mean = _mean(self._with_dims(name, (y, x)))
        axes = given_or_new(ax)
        (x_values, x_names), (y_values, y_names) = self._positions(name, x), self._positions(name, y)
        mesh = axes.pcolormesh(x_values, y_values, mean, **{"cmap": ORDERED, "shading": "nearest", **style})
        _set_ticks(axes.set_xticks, x_values, x_names)
        _set_ticks(axes.set_yticks, y_values, y_names)
        axes.set(xlabel=self._words(x), ylabel=self._words(y))
        axes.figure.colorbar(mesh, ax=axes, label=self._title(name, (x, y)))
        return axes

    def line(self, name: str, ax: "Axes | None" = None, *, x: str | None = None, **style: Style) -> "Axes":
        """Draw the mean of an array along one dimension, with a band from the 10th to the 90th percentile.

        Mean and band are over all other dimensions.

        Args:
            name: the array.
            ax: axes to draw into.
            x: the dimension, by default the first one that has several values.
            style: keyword arguments of `plot`.
        """
        x = x or next(iter(self._dims_with_several_values(name)), None)
        if x is None:
            raise ValueError(f"a line of {name} needs a dimension with several values; {self._has(name)}")
        values = self._with_dims(name, (x,))
        axes = given_or_new(ax)
        x_values, x_names = self._positions(name, x)
        (line,) = axes.plot(x_values, _mean(values), **({"color": BLUE} | style if ax is None else style))
        if values.shape[1] > 1:
            low, high = (_percentile(values, percent) for percent in (10, 90))
            axes.fill_between(x_values, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        _set_ticks(axes.set_xticks, x_values, x_names)
        if x_names is None and is_geometric(x_values):
            axes.set_xscale("log")
        axes.set(xlabel=self._words(x), ylabel=self._title(name, (x,)))
        if "label" in style:
            axes.legend(frameon=False, fontsize="small")
        return axes

    def _dims(self, name: str) -> tuple[str, ...]:
        if name not in self._grid.dims:
            raise ValueError(not_part_of("result", name, self._grid.dims))
        return self._grid.dims[name]

    def _dims_with_several_values(self, name: str) -> list[str]:
        return [dim for dim in self._dims(name) if self._grid.length(name, dim) > 1]

    def _has(self, name: str) -> str:
        return "it has " + ", ".join(f"{dim} ({self._grid.length(name, dim)})" for dim in self._dims(name))

    def _with_dims(self, name: str, kept: tuple[str, ...]) -> FloatArray:
        """Return an array whose first dimensions are the kept ones, and whose last one holds all others."""
        dims = self._dims(name)
        unknown = [dim for dim in kept if dim not in dims]
        if unknown:
            raise ValueError(f"{name} has no dimension {unknown[0]!r}; {self._has(name)}")
        values = np.moveaxis(self._grid.data[name], [dims.index(dim) for dim in kept], range(len(kept)))
        return values.reshape(*values.shape[: len(kept)], -1)

    def _positions(self, name: str, dim: str) -> tuple[FloatArray, list[str] | None]:
        """Return the positions of a dimension's values on an axis, and the names of values that are no numbers."""
        values = self._grid.coordinates.get(dim)
        if values is None:
            return np.arange(self._grid.length(name, dim), dtype=float), None
        if isinstance(values, np.ndarray):
            return np.asarray(values, dtype=float), None
        return np.arange(len(values), dtype=float), [str(value) for value in values]

    def _words(self, dim: str) -> str:
        """Return the label of a dimension; times that points do not share are numbered."""
        return "number of the time" if dim == "time" and dim not in self._grid.coordinates else label(dim).words

    def _title(self, name: str, shown: tuple[str, ...]) -> str:
        averaged = [dim for dim in self._dims_with_several_values(name) if dim not in shown]
        return label(name).words + (f"\n(mean over {', '.join(averaged)})" if averaged else "")


def _mean(values: FloatArray) -> FloatArray:
    """Average the finite values over the last dimension; NaN where there is none."""
    return np.ma.masked_invalid(values).mean(axis=-1).filled(np.nan)


def _percentile(values: FloatArray, percent: float) -> FloatArray:
    return np.array([np.percentile(row, percent) if len(row) else np.nan for row in map(_finite, values)])


def _finite(row: FloatArray) -> FloatArray:
    return row[np.isfinite(row)]


def _set_ticks(set_ticks: Callable[..., object], positions: FloatArray, names: list[str] | None) -> None:
    if names is not None:
        set_ticks(positions, names)
