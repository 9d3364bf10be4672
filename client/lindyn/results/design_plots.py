"""Pictures of designs with matplotlib, which is imported with this module."""

from typing import TYPE_CHECKING

import numpy as np

from lindyn.errors import UnknownNameError
from lindyn.results.axes import Style, check_name, draw_legend, draw_line, given_or_new, single_style, spans_decades
from lindyn.results.labels import label
from lindyn.results.look import SECOND
from lindyn.wire.design import DesignReply
from lindyn.wire.wording import not_part_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class DesignPlots:
    """Pictures of a design. Every method draws into `ax`, or into a new figure, and returns the axes."""

    def __init__(self, reply: DesignReply) -> None:
        self._reply = reply

    def __call__(self, name: str | None = None, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the scalar of this name, the only one, as `curve` does.

        Raises:
            UnknownNameError: the design is about another scalar; this is also a KeyError.
        """
        check_name(name)
        if name not in (None, self._reply.scalar):
            raise UnknownNameError(not_part_of("design", name, [self._reply.scalar]))
        return self.curve(ax, **style)

    def curve(self, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the scalar over the parameter, the target as a dashed line, and a marker at each solution."""
        reply = self._reply
        values, reached = (np.asarray(each, dtype=np.float64) for each in (reply.curve.value, reply.curve.reached))
        axes = given_or_new(ax)
        draw_line(axes, values, reached, **single_style(ax, style))
        axes.axhline(reply.target, color="0.3", linestyle="--", linewidth=0.8, label=f"target {reply.target:g}")
        found = [(each.value, each.reached) for each in reply.solutions]
        text = ", ".join(f"{value:.4g}" for value, _ in found[:4]) + (", …" if len(found) > 4 else "")
        axes.plot(*zip(*found, strict=True), "o", color=SECOND, label=f"met at {text}")
        axes.set(xlabel=label(reply.path).words, ylabel=label(reply.scalar).words)
        if spans_decades(np.asarray(reply.bounds)):
            axes.set_xscale("log")
        draw_legend(axes)
        return axes
