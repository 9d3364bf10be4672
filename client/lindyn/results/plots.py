"""Pictures of results; each takes and returns axes of matplotlib, which is loaded when this module is.

Lines that differ in kind have the colours of Okabe and Ito, lines that are ordered those of cividis, and values around
zero those from purple to orange: all are told apart by colour-blind eyes.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from lindyn.results.labels import TIME, label
from lindyn.results.optional import library
from lindyn.results.sweep import SweepResult
from lindyn.results.trajectory import Trajectory
from lindyn.wire.array import FloatArray
from lindyn.wire.wording import not_part_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, VERMILION, GREEN = "#0072b2", "#d55e00", "#009e73"
GREY = "0.6"
ORDERED, AROUND_ZERO = "cividis", "PuOr"

_MOST_NAMED = 4  # lines in a legend

_plt: Any = library("matplotlib.pyplot", "plotting")


class TrajectoryPlots:
    """Pictures of a trajectory. Every method draws into `ax`, or into a new figure, and returns the axes."""

    def __init__(self, trajectory: Trajectory) -> None:
        self._trajectory = trajectory

    def loss(self, ax: "Axes | None" = None, **style: Any) -> "Axes":  # noqa: ANN401 (matplotlib's)
        """The loss over time, or what is above its minimum if only that was asked for."""
        return self._scalar(("loss", "excess_loss"), ax, style)

    def ntk(self, ax: "Axes | None" = None, **style: Any) -> "Axes":  # noqa: ANN401 (matplotlib's)
        """How far the neural tangent kernel has moved from its start: 0 is lazy, more is rich."""
        axes = self._scalar(("ntk_distance",), ax, style)
        axes.autoscale(axis="y")  # which a limit has switched off for lines that are added
        axes.set_ylim(bottom=0)
        return axes

    def modes(self, ax: "Axes | None" = None, **style: Any) -> "Axes":  # noqa: ANN401 (matplotlib's)
        """What is learned of each mode, and, dashed, what the best network function has of it."""
        name, learned = self._first(("singular_values", "mode_strengths"))
        axes = _axes(ax)
        few = learned.shape[1] <= _MOST_NAMED
        colours = _ordered(learned.shape[1])
        for i, colour in enumerate(colours):
            named = {"label": f"mode {i + 1}"} if few else {}
            axes.plot(self._trajectory.times, learned[:, i], color=colour, **{**named, **style})
        for i, (target, colour) in enumerate(zip(self._trajectory.targets(name), colours, strict=False)):
            axes.axhline(target, color=colour, linestyle="--", linewidth=0.8, label="" if i else "target")
        return self._over_time(axes, label(name).words, True)

    def alignment(self, ax: "Axes | None" = None, **style: Any) -> "Axes":  # noqa: ANN401 (matplotlib's)
        """How far each singular vector is that of the task: input side drawn through, output side dashed.

        Lines of equally strong modes coincide; there is none where the task or the network has no such mode.
        """
        _, both = self._first(("alignment",))
        axes = _axes(ax)
        sides: Any = both
        for side, line in (("input", "-"), ("output", "--")):
            values = sides[side]
            for i, colour in enumerate(_ordered(values.shape[1])):
                named = {"label": f"{side}, mode {i + 1}"} if values.shape[1] <= _MOST_NAMED else {}
                axes.plot(self._trajectory.times, values[:, i], line, color=colour, **{**named, **style})
        axes.set_ylim(-0.05, 1.05)
        return self._over_time(axes, label("alignment").words, sides["input"].shape[1] <= _MOST_NAMED)

    def qqt(self, t: float, ax: "Axes | None" = None, **style: Any) -> "Axes":  # noqa: ANN401 (matplotlib's)
        """Outer product of the stacked weights at the computed time nearest to `t`: representations and function.

        Its blocks are W1^T W1, the representation of the inputs; W2 W1, the network function; W2 W2^T, that of the
        outputs.
        """
        _, values = self._first(("qqt",))
        times = self._trajectory.times
        nearest = int(np.argmin(np.abs(times - t)))
        axes = _axes(ax)
        largest = float(np.max(np.abs(values))) or 1.0  # of all times, so that pictures compare
        image = axes.imshow(values[nearest], **{"cmap": AROUND_ZERO, "vmin": -largest, "vmax": largest, **style})
        n_in, n_out = self._trajectory.reply.dims[0], self._trajectory.reply.dims[-1]
        for line in (axes.axhline, axes.axvline):
            line(n_in - 0.5, color="0.3", linewidth=0.8)
        middles = [(n_in - 1) / 2, n_in + (n_out - 1) / 2]
        axes.set_xticks(middles, ["in", "out"])
        axes.set_yticks(middles, ["in", "out"], rotation=90, va="center")
        axes.set_title(f"{label('qqt').symbol} at t = {times[nearest]:.3g}")
        axes.figure.colorbar(image, ax=axes, label=label("qqt").words)
        return axes

    def _scalar(self, names: tuple[str, ...], ax: "Axes | None", style: dict[str, Any]) -> "Axes":
        name, values = self._first(names)
        axes = _axes(ax)
        axes.plot(self._trajectory.times, values, **({"color": BLUE} | style if ax is None else style))
        return self._over_time(axes, label(name).words, "label" in style)

    def _first(self, names: tuple[str, ...]) -> tuple[str, FloatArray]:
        for name in names:
            if name in self._trajectory.quantities:
                return name, getattr(self._trajectory, name)
        has = ", ".join(self._trajectory.quantities)
        raise ValueError(f"this picture needs {' or '.join(names)}; the trajectory has {has}: add it to quantities")

    def _over_time(self, axes: Any, words: str, legend: bool) -> "Axes":  # noqa: ANN401 (matplotlib's)
        if _is_geometric(self._trajectory.times):
            axes.set_xscale("log")
        axes.set(xlabel=TIME.words, ylabel=words)
        if legend:
            axes.legend(fontsize="small", framealpha=0.8, edgecolor="none")
        return axes


class SweepPlots:
    """Pictures of the result of a job. Every method draws into `ax`, or into a new figure, and returns the axes."""

    def __init__(self, result: SweepResult) -> None:
        self._result = result

    def heatmap(
        self,
        name: str,
        ax: "Axes | None" = None,
        *,
        x: str | None = None,
        y: str | None = None,
        **style: Any,  # noqa: ANN401 (matplotlib's)
    ) -> "Axes":
        """One array over two dimensions, averaged over all others; points that failed are left out, or white.

        Args:
            name: which array.
            ax: where to draw.
            x: dimension along x, by default the first one that has several values.
            y: dimension along y, by default the next one.
            style: passed on to `pcolormesh`, such as `norm="log"`.
        """
        dims = [dim for dim in self._dims(name) if self._length(name, dim) > 1]
        x = x or next((dim for dim in dims if dim != y), None)
        y = y or next((dim for dim in dims if dim != x), None)
        if x is None or y is None:
            raise ValueError(f"a heat map of {name} needs two dimensions with several values; {self._has(name)}")
        mean = _mean(self._kept(name, (y, x)))
        axes = _axes(ax)
        (across, across_names), (up, up_names) = self._places(name, x), self._places(name, y)
        mesh = axes.pcolormesh(across, up, mean, **{"cmap": ORDERED, "shading": "nearest", **style})
        _tick(axes.set_xticks, across, across_names)
        _tick(axes.set_yticks, up, up_names)
        axes.set(xlabel=self._words(x), ylabel=self._words(y))
        axes.figure.colorbar(mesh, ax=axes, label=self._title(name, (x, y)))
        return axes

    def line(self, name: str, ax: "Axes | None" = None, *, x: str | None = None, **style: Any) -> "Axes":  # noqa: ANN401
        """One array along one dimension: mean over all others, and a band from their 10th to their 90th percentile.

        Args:
            name: which array.
            ax: where to draw.
            x: the dimension, by default the first one that has several values.
            style: passed on to `plot`.
        """
        x = x or next((dim for dim in self._dims(name) if self._length(name, dim) > 1), None)
        if x is None:
            raise ValueError(f"a line of {name} needs a dimension with several values; {self._has(name)}")
        values = self._kept(name, (x,))
        axes = _axes(ax)
        across, names = self._places(name, x)
        (line,) = axes.plot(across, _mean(values), **({"color": BLUE} | style if ax is None else style))
        if values.shape[1] > 1:
            low, high = (_percentile(values, percent) for percent in (10, 90))
            axes.fill_between(across, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        _tick(axes.set_xticks, across, names)
        if names is None and _is_geometric(across):
            axes.set_xscale("log")
        axes.set(xlabel=self._words(x), ylabel=self._title(name, (x,)))
        if "label" in style:
            axes.legend(frameon=False, fontsize="small")
        return axes

    def _dims(self, name: str) -> tuple[str, ...]:
        if name not in self._result.dims:
            raise ValueError(not_part_of("result", name, self._result.dims))
        return self._result.dims[name]

    def _length(self, name: str, dim: str) -> int:
        return self._result.data[name].shape[self._dims(name).index(dim)]

    def _has(self, name: str) -> str:
        return "it has " + ", ".join(f"{dim} ({self._length(name, dim)})" for dim in self._dims(name))

    def _kept(self, name: str, keep: tuple[str, ...]) -> FloatArray:
        """The values with the dimensions that are kept, and all others as one."""
        dims = self._dims(name)
        unknown = [dim for dim in keep if dim not in dims]
        if unknown:
            raise ValueError(f"{name} has no dimension {unknown[0]!r}; {self._has(name)}")
        values = np.moveaxis(self._result.data[name], [dims.index(dim) for dim in keep], range(len(keep)))
        return values.reshape(*values.shape[: len(keep)], -1)

    def _places(self, name: str, dim: str) -> tuple[FloatArray, list[str] | None]:
        """Where the values of a dimension lie on an axis, and their names if they are no numbers."""
        values = self._result.coordinates.get(dim)
        if values is None:
            return np.arange(self._length(name, dim), dtype=float), None
        if isinstance(values, np.ndarray):
            return np.asarray(values, dtype=float), None
        return np.arange(len(values), dtype=float), [str(value) for value in values]

    def _words(self, dim: str) -> str:
        """What a dimension is called; times that points do not share are counted."""
        return "number of the time" if dim == "time" and dim not in self._result.coordinates else label(dim).words

    def _title(self, name: str, shown: tuple[str, ...]) -> str:
        others = [dim for dim in self._dims(name) if dim not in shown and self._length(name, dim) > 1]
        return label(name).words + (f"\n(mean over {', '.join(others)})" if others else "")


def _mean(values: FloatArray) -> FloatArray:
    """Over the last dimension, of what could be computed; NaN where nothing could."""
    return np.ma.masked_invalid(values).mean(axis=-1).filled(np.nan)


def _percentile(values: FloatArray, percent: float) -> FloatArray:
    return np.array([np.percentile(row, percent) if len(row) else np.nan for row in map(_finite, values)])


def _finite(row: FloatArray) -> FloatArray:
    return row[np.isfinite(row)]


def _axes(ax: "Axes | None") -> Any:  # noqa: ANN401 (matplotlib's types are incomplete)
    return _plt.subplots(layout="constrained")[1] if ax is None else ax


def _ordered(number: int) -> list[Any]:
    """Colours from strong to weak; the lightest are hard to see on white."""
    return list(_plt.get_cmap(ORDERED)(np.linspace(0.0, 0.85, number)))


def _tick(set_ticks: Any, places: FloatArray, names: list[str] | None) -> None:  # noqa: ANN401 (matplotlib's)
    if names is not None:
        set_ticks(places, names)


def _is_geometric(values: FloatArray) -> bool:
    """Whether each value is the same multiple of the one before, over more than a decade."""
    if len(values) < 3 or values[0] <= 0 or values[-1] <= 10 * values[0]:
        return False
    ratios = values[1:] / values[:-1]
    return bool(np.allclose(ratios, ratios[0], rtol=1e-3))
