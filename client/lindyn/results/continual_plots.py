"""Pictures of continual learning with matplotlib, which is imported with this module."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lindyn.errors import UnknownNameError
from lindyn.results.axes import Style, check_name, draw_line, given_or_new, ordered_colours, over_time
from lindyn.results.labels import label
from lindyn.results.look import FIRST, SECOND
from lindyn.wire.array import FloatArray
from lindyn.wire.wording import not_part_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ContinualPlots:
    """Pictures of continual learning. Every method draws into `ax`, or into a new figure, and returns the axes."""

    def __init__(self, times: FloatArray, arrays: Mapping[str, FloatArray], ends: Sequence[float]) -> None:
        self._times = times
        self._arrays = arrays
        self._ends = ends

    def __call__(self, name: str | None = None, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the array of this name, by default the loss."""
        check_name(name)
        return self.line(name or "loss", ax, **style)

    def loss(self, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the loss of each task; vertical lines separate the segments of training."""
        return self.line("loss", ax, **style)

    def forgetting(self, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the loss of each task above that at the end of its own training."""
        return self.line("forgetting", ax, **style)

    def line(self, name: str, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the array of this name, `loss`, `rate` or `forgetting`, with a line for each task.

        Raises:
            UnknownNameError: there is no such array; this is also a KeyError.
        """
        if name not in self._arrays:
            raise UnknownNameError(not_part_of("answer", name, self._arrays))
        axes = given_or_new(ax)
        values = self._arrays[name]
        colours = [FIRST, SECOND] if len(values) == 2 else ordered_colours(len(values))
        for end in self._ends:
            axes.axvline(end, color="0.7", linewidth=0.8)
        for i, (row, colour) in enumerate(zip(values, colours, strict=True)):
            if np.any(np.isfinite(row)):  # the last task is never forgotten
                draw_line(axes, self._times, row, **{"color": colour, "label": f"task {i + 1}", **style})
        return over_time(axes, self._times, label(name).words, legend=True)
