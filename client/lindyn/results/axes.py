"""Axes of matplotlib, which is imported with this module, and what all pictures share."""

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lindyn.results.labels import TIME
from lindyn.results.optional import library
from lindyn.wire.array import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE = "#0072b2"
ORDERED = "cividis"

Style: TypeAlias = Any
"""A keyword argument of matplotlib."""

AnyAxes: TypeAlias = Any
"""Axes of matplotlib, whose own type is incomplete."""

_pyplot = library("matplotlib.pyplot", "plotting")


def given_or_new(ax: "Axes | None") -> AnyAxes:
    """Return the axes, or those of a new figure."""
    return _pyplot.subplots(layout="constrained")[1] if ax is None else ax


def ordered_colours(number: int) -> list[FloatArray]:
    """Return colours from dark to light, without the lightest, which are hard to see on white."""
    return list(_pyplot.get_cmap(ORDERED)(np.linspace(0.0, 0.85, number)))


def over_time(axes: AnyAxes, times: FloatArray, words: str, *, legend: bool) -> "Axes":
    """Label axes whose first one is time, which is logarithmic for times that are."""
    if is_geometric(times):
        axes.set_xscale("log")
    axes.set(xlabel=TIME.words, ylabel=words)
    if legend:
        axes.legend(fontsize="small", framealpha=0.8, edgecolor="none")
    return axes


def is_geometric(values: FloatArray) -> bool:
    """Return whether each value is the same multiple of the one before, over more than a decade."""
    if len(values) < 3 or values[0] <= 0 or values[-1] <= 10 * values[0]:
        return False
    ratios = values[1:] / values[:-1]
    return bool(np.allclose(ratios, ratios[0], rtol=1e-3))
