"""Pictures of initial weights and balances with matplotlib, which is imported with this module."""

from typing import TYPE_CHECKING

import numpy as np

from lindyn.errors import UnknownNameError
from lindyn.results.axes import Style, check_name, given_or_new, integer_ticks, single_style
from lindyn.results.labels import label
from lindyn.results.matrices import draw_matrix, largest_of, name_sides
from lindyn.results.table import Variables
from lindyn.wire.wording import not_part_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class AnalysisPlots:
    """Pictures of an answer. Every method draws into `ax`, or into a new figure, and returns the axes."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables

    def __call__(self, path: str | None = None, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw a matrix in colours, or numbers as a point for each pair of layers.

        Args:
            path: path of the numbers, such as `weights.0` or `residual`; by default the first matrix, or else the
                first numbers.
            ax: axes to draw into.
            style: keyword arguments of `imshow` or `plot`.

        Raises:
            UnknownNameError: the answer has no such numbers; this is also a KeyError.
        """
        check_name(path)
        if path is None:
            path = max(self._variables, key=lambda name: self._variables[name][1].ndim)
        if path not in self._variables:
            raise UnknownNameError(not_part_of("answer", path, self._variables))
        (dims, values), words = self._variables[path], label(path).words
        axes = given_or_new(ax)
        if values.ndim == 2:
            draw_matrix(axes, values, largest_of(values), words, style)
            name_sides(axes, dims, sum(name.startswith("weights.") for name in self._variables))
            return axes
        points = np.atleast_1d(values)
        axes.plot(np.arange(1, len(points) + 1), points, "o", **single_style(ax, style))
        axes.set(xlabel="pair of layers", ylabel=words)
        integer_ticks(axes.xaxis)
        return axes
