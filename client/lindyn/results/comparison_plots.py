"""Pictures of comparisons with matplotlib, which is imported with this module."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from lindyn.errors import UnknownNameError
from lindyn.results.axes import Style, check_name, draw_line, given_or_new, over_time
from lindyn.results.labels import COMPARED, THEORY
from lindyn.wire.array import FloatArray
from lindyn.wire.wording import not_part_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {"theory": "black", "corrected": "#0072b2", "linear": "#009e73", "relu": "#d55e00", "tanh": "#cc79a7"}


class ComparisonPlots:
    """Pictures of a comparison. Every method draws into `ax`, or into a new figure, and returns the axes."""

    def __init__(self, times: FloatArray, losses: Mapping[str, FloatArray]) -> None:
        self._times = times
        self._losses = losses

    def __call__(self, name: str | None = None, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw theory and the curve of this name, such as `relu`; by default all curves, as `loss` does.

        Raises:
            UnknownNameError: there is no such curve; this is also a KeyError.
        """
        check_name(name)
        if name is None:
            return self.loss(ax, **style)
        if name not in self._losses:
            raise UnknownNameError(not_part_of("comparison", name, self._losses))
        return self._drawn({each: self._losses[each] for each in dict.fromkeys((THEORY, name))}, ax, style)

    def loss(self, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the mean of each curve over the seeds, with bands of its standard error."""
        return self._drawn(self._losses, ax, style)

    def _drawn(self, losses: Mapping[str, FloatArray], ax: "Axes | None", style: dict[str, Style]) -> "Axes":
        axes = given_or_new(ax)
        for name, each in losses.items():
            mean = np.mean(each, axis=0)
            own = {"linestyle": "--" if name == "corrected" else "-", "color": _COLOURS[name], "label": COMPARED[name]}
            line = draw_line(axes, self._times, mean, **{**own, **style})
            if len(each) > 1:
                error = np.std(each, axis=0, ddof=1) / np.sqrt(len(each))
                axes.fill_between(
                    self._times, mean - error, mean + error, color=line.get_color(), alpha=0.2, linewidth=0
                )
        return over_time(axes, self._times, "loss", legend=True)
