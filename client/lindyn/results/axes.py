"""Axes of matplotlib, which is imported with this module, and what all pictures share."""

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lindyn.errors import ArgumentError
from lindyn.results.labels import TIME
from lindyn.results.look import DIVERGING, FIRST, ORDERED, ORDERED_RANGE
from lindyn.results.optional import library
from lindyn.wire.array import FloatArray
from lindyn.wire.wording import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Style: TypeAlias = Any
"""A keyword argument of matplotlib."""

AnyAxes: TypeAlias = Any
"""Axes of matplotlib, whose own type is incomplete."""

MAX_NAMED = 4
"""Largest number of lines that a legend names."""

_CONSTANT = 1e-6  # relative range below which values are drawn as one constant
_DECADES = 2  # values that span more of them are drawn on a logarithmic scale

_pyplot = library("matplotlib.pyplot", "plotting")
_colours = library("matplotlib.colors", "plotting")
_ticker = library("matplotlib.ticker", "plotting")
_cm = library("matplotlib.cm", "plotting")

AROUND_ZERO: Any = _colours.LinearSegmentedColormap.from_list("lindyn_diverging", DIVERGING)
"""Colour map from blue through nearly white to orange."""


def given_or_new(ax: "Axes | None") -> AnyAxes:
    """Return the axes, or those of a new figure."""
    return _pyplot.subplots(layout="constrained")[1] if ax is None else ax


def check_name(name: object) -> None:
    """Check that what a picture is to show is named by text.

    Raises:
        ArgumentError: it is not; axes are a likely mistake, since methods for one picture take them first.
    """
    if not isinstance(name, str | None):
        raise ArgumentError(
            f"got {shown(name)} where the name of what to draw belongs; to draw into axes, write plot(ax=...)"
        )


def single_style(ax: "Axes | None", style: dict[str, Style]) -> dict[str, Style]:
    """Return the style of a single line: in axes that were given, its colour is the next one of their cycle."""
    return {"color": FIRST} | style if ax is None else style


def draw_line(axes: AnyAxes, x: FloatArray, y: FloatArray, *form: str, **style: Style) -> Any:  # noqa: ANN401
    """Draw a line and return it; points without a neighbour, of which no line would be seen, get markers."""
    (line,) = axes.plot(x, y, *form, **style)
    finite = np.pad(np.isfinite(np.asarray(y, dtype=np.float64)), 1)
    alone = np.flatnonzero(finite[1:-1] & ~finite[:-2] & ~finite[2:])
    if len(alone) and line.get_marker() in ("None", "", " ", None):
        line.set(marker="o", markevery=alone.tolist())
    return line


def plain_text(text: str) -> str:
    """Return text in which dollar signs do not begin formulae."""
    return text.replace("$", r"\$")


def ordered_colours(number: int) -> list[FloatArray]:
    """Return colours from dark to light, without the lightest, which are hard to see on white."""
    return list(_pyplot.get_cmap(ORDERED)(np.linspace(*ORDERED_RANGE, number)))


def over_time(axes: AnyAxes, times: FloatArray, words: str, *, legend: bool) -> "Axes":
    """Label axes whose first one is time, which is logarithmic for times that are."""
    if is_geometric(times):
        axes.set_xscale("log")
    axes.set(xlabel=TIME.words, ylabel=words)
    if legend:
        draw_legend(axes)
    return axes


def draw_legend(axes: AnyAxes, **options: Style) -> None:
    """Draw a legend through which lines can be seen."""
    axes.legend(**{"fontsize": "small", "framealpha": 0.8, "edgecolor": "none", **options})


def integer_ticks(axis: Any) -> None:  # noqa: ANN401 (matplotlib's types are incomplete)
    """Put ticks at integers only."""
    axis.set_major_locator(_ticker.MaxNLocator(integer=True, min_n_ticks=1))


def few_ticks(axis: Any) -> None:  # noqa: ANN401 (matplotlib's types are incomplete)
    """Put plain numbers at three or four places of a logarithmic axis that spans little more than a decade."""
    axis.set_major_locator(_ticker.MaxNLocator(3))
    axis.set_major_formatter(_ticker.ScalarFormatter())
    axis.set_minor_locator(_ticker.NullLocator())


def show_constant(axes: AnyAxes) -> None:
    """Widen the range of an axis that would show nothing but rounding errors of a constant."""
    low, high = axes.get_ylim()
    middle = (low + high) / 2
    if high - low < _CONSTANT * abs(middle):
        axes.set_ylim(*sorted((middle / 2, middle * 3 / 2)))


def is_geometric(values: FloatArray) -> bool:
    """Return whether each value is the same multiple of the one before, over more than a decade."""
    if len(values) < 3 or values[0] <= 0 or values[-1] <= 10 * values[0]:
        return False
    ratios = values[1:] / values[:-1]
    return bool(np.allclose(ratios, ratios[0], rtol=1e-3))


def spans_decades(values: FloatArray) -> bool:
    """Return whether all finite values are positive and span more than two decades."""
    finite = values[np.isfinite(values)]
    return finite.size > 0 and bool(np.min(finite) > 0 and np.max(finite) > 10**_DECADES * np.min(finite))


def draw_colour_key(axes: AnyAxes, positions: FloatArray, words: str) -> None:
    """Draw a colour bar for lines in ordered colours."""
    colours = _colours.ListedColormap(ordered_colours(len(positions)))
    scale = _colours.LogNorm if is_geometric(np.sort(positions)) else _colours.Normalize
    norm = scale(float(np.min(positions)), float(np.max(positions)))
    axes.figure.colorbar(_cm.ScalarMappable(norm, colours), ax=axes, label=words)
