"""Pictures of sweeps and experiments with matplotlib, which is imported with this module."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from lindyn.errors import ArgumentError
from lindyn.results.axes import (
    AnyAxes,
    Style,
    check_name,
    draw_colour_key,
    draw_legend,
    draw_line,
    given_or_new,
    integer_ticks,
    is_geometric,
    ordered_colours,
    plain_text,
    single_style,
    spans_decades,
)
from lindyn.results.grid import Grid
from lindyn.results.labels import label
from lindyn.results.look import ORDERED
from lindyn.wire.array import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Middle: TypeAlias = Literal["mean", "median"]

_MAX_NAMED = 8  # lines in a legend; the colours of more have a colour bar
_BELOW_ZERO: dict[str, Style] = {"linestyle": "--", "zorder": 2.1}
_DRAWS = ("seed", "trial", "draw")  # last words of dimensions over which pictures average by default


class SweepPlots:
    """Pictures of the result of a job. Every method draws into `ax`, or into a new figure, and returns the axes.

    Axes whose values multiply are logarithmic, and so are values that are positive and span more than two decades.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid = grid

    def __call__(self, name: str | None = None, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw an array, by default the first one, as a heat map over two axes of the grid or as lines.

        Raises:
            UnknownNameError: the result has no such array; this is also a KeyError.
        """
        check_name(name)
        name = next(iter(self._grid.dims)) if name is None else name
        dims = self._several(name)
        is_map = len([dim for dim in dims if not _is_draw(dim)]) > 1 and not {"time", "mode"} & {*dims}
        return (self.heatmap if is_map else self.line)(name, ax, **style)

    def heatmap(
        self, name: str, ax: "Axes | None" = None, *, x: str | None = None, y: str | None = None, **style: Style
    ) -> "Axes":
        """Draw an array over two dimensions, averaged over all others without the points that failed.

        A cell is white if all its points failed.

        Args:
            name: the array.
            ax: axes to draw into.
            x: dimension along x, by default the time, or else the first one that has several values and is no seed.
            y: dimension along y, by default the next one.
            style: keyword arguments of `pcolormesh`, such as `norm="log"`.

        Raises:
            UnknownNameError: the result has no such array or dimension; this is also a KeyError.
            ArgumentError: the array has only one dimension with several values, or `y` is `x`.
        """
        dims = self._several(name)
        x = x or next((dim for dim in dims if dim != y), None)
        y = y or next((dim for dim in dims if dim != x), None)
        if x is not None and x == y:
            raise ArgumentError(f"got {x!r} for both x and y, expected two dimensions; {self._grid.described(name)}")
        if x is None or y is None:
            raise ArgumentError(
                f"a heat map of {name} needs two dimensions with several values; {self._grid.described(name)}"
            )
        mean = _middle(self._grid.with_dims(name, (y, x)), "mean")
        axes = given_or_new(ax)
        (x_values, x_names), (y_values, y_names) = self._grid.positions(name, x), self._grid.positions(name, y)
        mean = mean[np.argsort(y_values, kind="stable")][:, np.argsort(x_values, kind="stable")]
        own: dict[str, Style] = {"cmap": ORDERED} | ({"norm": "log"} if spans_decades(mean) else {})
        mesh = axes.pcolormesh(_edges(x_values), _edges(y_values), mean, **(own | style))
        _scale(axes.set_xscale, axes.set_xticks, x_values, x_names)
        _scale(axes.set_yscale, axes.set_yticks, y_values, y_names)
        self._tick_numbers(axes.xaxis, x)
        self._tick_numbers(axes.yaxis, y)
        axes.set(xlabel=self._words(x), ylabel=self._words(y))
        axes.figure.colorbar(mesh, ax=axes, label=self._title(name, (x, y), "mean"))
        return axes

    def line(
        self,
        name: str,
        ax: "Axes | None" = None,
        *,
        x: str | None = None,
        hue: str | None = None,
        middle: Middle = "mean",
        band: tuple[float, float] = (10, 90),
        **style: Style,
    ) -> "Axes":
        """Draw the mean of an array along one dimension, with a band between two percentiles.

        Mean and band are over all other dimensions, which the label of the axis names, without points that failed.

        Args:
            name: the array.
            ax: axes to draw into.
            x: the dimension, by default the time, or else the first one that has several values and is no seed.
            hue: dimension that has a line with a band of its own for each value; by default that of the modes, if
                there are any.
            middle: `mean` or `median`.
            band: percentiles at which the band ends.
            style: keyword arguments of `plot`.

        Raises:
            UnknownNameError: the result has no such array or dimension; this is also a KeyError.
            ArgumentError: the array has no dimension with several values, `hue` is `x`, or `middle` is neither.
        """
        x, hue = self._line_dims(name, x, hue)
        axes = given_or_new(ax)
        values = self._grid.with_dims(name, (x,) if hue is None else (hue, x))
        groups = values[None] if hue is None else values
        drawn: list[FloatArray] = []
        for i, own in enumerate([single_style(ax, style)] if hue is None else self._hue_styles(name, hue, style)):
            positions = self._line_positions(name, x, hue, i)
            order = np.argsort(positions, kind="stable")
            group = groups[i][order]
            drawn.append(_middle(group, middle))
            line = draw_line(axes, positions[order], drawn[-1], **own)
            if group.shape[1] > 1:
                low, high = (_percentile(group, percent) for percent in band)
                axes.fill_between(positions[order], low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        _scale(axes.set_xscale, axes.set_xticks, *self._grid.positions(name, x))
        if not self._has_own_times(x, hue):
            self._tick_numbers(axes.xaxis, x)
        if hue in (None, *self._grid.coordinates) and spans_decades(np.concatenate(drawn)):
            axes.set_yscale("log")
        words = label("time").words if self._has_own_times(x, hue) else self._words(x)
        axes.set(xlabel=words, ylabel=self._title(name, (x, hue), middle, band))
        self._draw_key(axes, name, hue, style)
        return axes

    def _line_dims(self, name: str, x: str | None, hue: str | None) -> tuple[str, str | None]:
        """Return the dimensions of a line and of its colours."""
        several = self._several(name)
        inner = [dim for dim in several if dim not in (*self._grid.coordinates, "time", x)]
        hue = hue or next(iter(inner), None)
        x = x or next((dim for dim in several if dim != hue), None)
        if x is None:
            raise ArgumentError(f"a line of {name} needs a dimension with several values; {self._grid.described(name)}")
        if hue == x:
            raise ArgumentError(f"got {x!r} for both x and hue, expected two dimensions; {self._grid.described(name)}")
        return x, hue

    def _line_positions(self, name: str, x: str, hue: str | None, number: int) -> FloatArray:
        """Return the positions of the points of a line; lines of points with other times have their own."""
        if not self._has_own_times(x, hue):
            return self._grid.positions(name, x)[0]
        times = self._grid.data["times"]
        return times if times.ndim == 1 else times[number]

    def _has_own_times(self, x: str, hue: str | None) -> bool:
        """Return whether the times of points differ by the line that they are on and by nothing else."""
        is_numbered = x == "time" and "time" not in self._grid.coordinates
        return is_numbered and self._grid.dims.get("times") in ((hue, "time"), ("time",))

    def _hue_styles(self, name: str, hue: str, style: dict[str, Style]) -> list[dict[str, Style]]:
        """Return the keyword arguments of `plot` for each line."""
        positions, names = self._grid.positions(name, hue)
        words = list(map(plain_text, names or [])) or [f"{position:g}" for position in positions]
        if hue not in self._grid.coordinates:
            words = [f"{hue} {i + 1}" for i in range(len(positions))]
        if len(words) > _MAX_NAMED:
            words = [None] * len(words)
        colours = ordered_colours(len(positions))
        ranks = np.argsort(np.argsort(positions, kind="stable"))
        own: list[dict[str, Style]] = [
            {"color": colours[rank], "label": word} for rank, word in zip(ranks, words, strict=True)
        ]
        if np.any(positions > 0):  # lines of opposite values may coincide
            own = [{**each, **_BELOW_ZERO} if at < 0 else each for each, at in zip(own, positions, strict=True)]
        return [{**each, **style} for each in own]

    def _draw_key(self, axes: AnyAxes, name: str, hue: str | None, style: dict[str, Style]) -> None:
        """Draw a legend, or a colour bar for many lines."""
        if hue is None:
            if "label" in style:
                draw_legend(axes)
            return
        positions, _ = self._grid.positions(name, hue)
        if len(positions) > _MAX_NAMED:
            draw_colour_key(axes, positions, self._words(hue))
        else:
            draw_legend(axes, title=self._words(hue) if hue in self._grid.coordinates else None)

    def _several(self, name: str) -> list[str]:
        """Return the dimensions with several values: the time, then axes of the grid and modes, then seeds."""
        dims = [dim for dim in self._grid.dims_of(name) if self._grid.length(name, dim) > 1]
        return sorted(dims, key=lambda dim: (dim != "time", _is_draw(dim)))

    def _words(self, dim: str) -> str:
        """Return the label of a dimension; times that points do not share are numbered."""
        return "number of the time" if dim == "time" and dim not in self._grid.coordinates else label(dim).words

    def _tick_numbers(self, axis: Any, dim: str) -> None:  # noqa: ANN401 (matplotlib's types are incomplete)
        """Put ticks at integers if a dimension is numbered only."""
        if dim not in self._grid.coordinates:
            integer_ticks(axis)

    def _title(
        self, name: str, shown: tuple[str | None, ...], middle: Middle, band: tuple[float, float] | None = None
    ) -> str:
        """Return the label of the values, which names the dimensions that are averaged over."""
        averaged = [dim for dim in self._several(name) if dim not in shown]
        ends = "" if band is None else f";\nband: {band[0]:g} to {band[1]:g} %"
        return label(name).words + (f"\n({middle} over {', '.join(averaged)}{ends})" if averaged else "")


def _is_draw(dim: str) -> bool:
    """Return whether the values of a dimension are draws of random numbers."""
    return dim.rpartition(".")[2].endswith(_DRAWS)


def _middle(values: FloatArray, middle: str) -> FloatArray:
    """Return mean or median of the finite values over the last dimension; NaN where there is none."""
    if middle not in ("mean", "median"):
        raise ArgumentError(f"middle: got {middle!r}, expected 'mean' or 'median'")
    masked: Any = np.ma  # whose types are incomplete
    finite = masked.masked_invalid(values)
    found = finite.mean(axis=-1) if middle == "mean" else masked.median(finite, axis=-1)
    return masked.filled(found, np.nan)


def _percentile(values: FloatArray, percent: float) -> FloatArray:
    """Return a percentile of the finite values of each row; NaN where there is none."""
    rows = (row[np.isfinite(row)] for row in values)
    return np.array([np.percentile(row, percent) if len(row) else np.nan for row in rows])


def _edges(positions: FloatArray) -> FloatArray:
    """Return the edges of cells around positions, halfway between them in the order of the axis."""
    ordered = np.sort(positions)
    if is_geometric(ordered):
        return np.exp(_edges(np.log(ordered)))
    steps = np.diff(ordered) if len(ordered) > 1 else np.ones(1)
    return np.concatenate(
        [[ordered[0] - steps[0] / 2], ordered[:-1] + steps[: len(ordered) - 1] / 2, [ordered[-1] + steps[-1] / 2]]
    )


def _scale(
    set_scale: Callable[[str], object],
    set_ticks: Callable[..., object],
    positions: FloatArray,
    names: list[str] | None,
) -> None:
    """Set the ticks of an axis to names, or its scale to logarithmic where its values multiply."""
    if names is not None:
        set_ticks(positions, list(map(plain_text, names)))
    elif is_geometric(np.sort(positions)):
        set_scale("log")
