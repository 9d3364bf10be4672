"""Pictures of limits with matplotlib, which is imported with this module."""

from typing import TYPE_CHECKING

import numpy as np

from lindyn.errors import ArgumentError, UnknownNameError
from lindyn.results.axes import Style, check_name, draw_legend, given_or_new, integer_ticks
from lindyn.results.labels import label
from lindyn.results.look import FIRST, SECOND
from lindyn.results.matrices import draw_matrix, largest_of, name_blocks
from lindyn.wire.asymptotics import LimitsReply
from lindyn.wire.wording import not_part_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMES = ("converged", "rates")
_ZERO = 1e-12  # rate of a mode, relative to the largest, that is a rounding error


class LimitsPlots:
    """Pictures of limits. Every method draws into `ax`, or into a new figure, and returns the axes."""

    def __init__(self, reply: LimitsReply) -> None:
        self._reply = reply

    def __call__(self, name: str | None = None, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the picture of this name, `converged` or `rates`, by default the first."""
        check_name(name)
        if name not in (None, *_NAMES):
            raise UnknownNameError(not_part_of("answer", name, _NAMES))
        return self.rates(ax, **style) if name == "rates" else self.converged(ax, **style)

    def converged(self, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the representations and the network function as t goes to infinity, in the blocks of one matrix."""
        state = self._reply.converged
        matrices = (state.input_representation, state.output, state.output_representation)
        inputs, output, outputs = (np.asarray(each, dtype=np.float64) for each in matrices)
        blocks = np.block([[inputs, output.T], [output, outputs]])
        axes = given_or_new(ax)
        draw_matrix(axes, blocks, largest_of(blocks), "representations and network function", style)
        name_blocks(axes, output.shape[1], output.shape[0])
        axes.set_title(label("converged").words)
        return axes

    def rates(self, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the rates of both phases of learning at large |lambda|, for both signs of lambda.

        Raises:
            ArgumentError: the limits of large |lambda| are not known for this network.
        """
        extremes = self._reply.lambda_to_infinity
        if extremes is None:
            raise ArgumentError("this network has no limits of large |lambda|: lambda_to_infinity is None")
        axes = given_or_new(ax)
        for sign, extreme, colour, marker in (
            ("positive", extremes.positive, FIRST, "o"),
            ("negative", extremes.negative, SECOND, "x"),
        ):
            rates = np.asarray(() if extreme.slow_rates is None else extreme.slow_rates, dtype=np.float64)
            slow = rates[rates > _ZERO * np.max(rates, initial=0.0)]  # others are those of modes without strength
            named = {"color": colour, "label": f"slow, {sign} λ", "markerfacecolor": "none", "markersize": 8}
            axes.plot(np.arange(1, len(slow) + 1), slow, marker, **{**named, **style})
        axes.axhline(extremes.positive.fast_rate, color="0.3", linestyle="--", linewidth=0.8, label="fast")
        axes.set(xlabel="mode", ylabel="rate of learning", yscale="log")
        integer_ticks(axes.xaxis)
        draw_legend(axes)
        return axes
