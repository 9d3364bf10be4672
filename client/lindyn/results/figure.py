"""Figures of experiments with matplotlib, which is imported with this module."""

from typing import TYPE_CHECKING

import httpx
import numpy as np

from lindyn.results.axes import AnyAxes, draw_legend
from lindyn.results.optional import library
from lindyn.wire.figure import FigureImage, FigureLine, FigurePanel, FigureReply

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_pyplot = library("matplotlib.pyplot", "plotting")


def read_figure(response: httpx.Response) -> "Figure":
    """Draw the figure that a reply describes."""
    return draw_figure(FigureReply.model_validate_json(response.content))


def draw_figure(reply: FigureReply) -> "Figure":
    """Draw a figure with the axes where the service has them."""
    figure = _pyplot.figure(figsize=reply.size)
    panels = [(figure.add_axes(panel.bounds), panel) for panel in reply.panels]  # before those of colour bars
    for axes, panel in panels:
        _draw_panel(axes, panel)
    return figure


def _draw_panel(axes: AnyAxes, panel: FigurePanel) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    if not panel.images:
        axes.grid(color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
    for image in panel.images:
        _draw_image(axes, image)
    for area in panel.areas:
        axes.fill(*np.asarray(area.vertices, dtype=np.float64).T, color=area.color, linewidth=0, zorder=area.order)
    for line in panel.lines:
        _draw_line(axes, line)
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label, xscale=panel.x_scale, yscale=panel.y_scale, title=panel.title)
    axes.set(xlim=panel.x_range, ylim=panel.y_range)
    if panel.x_ticks is not None:
        axes.set_xticks([place for place, _ in panel.x_ticks], [text for _, text in panel.x_ticks])
    if panel.legend:
        draw_legend(axes)


def _draw_line(axes: AnyAxes, line: FigureLine) -> None:
    style: dict[str, object] = {"color": line.color, "linestyle": line.style, "linewidth": line.width}
    style |= {"zorder": line.order, "label": line.label}
    x, y = (np.asarray(each, dtype=np.float64) for each in (line.x, line.y))
    if line.across == "x":
        axes.axhline(y[0], *x, **style)
    elif line.across == "y":
        axes.axvline(x[0], *y, **style)
    else:
        axes.plot(x, y, marker=line.marker, markersize=line.marker_size, **style)


def _draw_image(axes: AnyAxes, image: FigureImage) -> None:
    values = np.asarray(image.values, dtype=np.float64)
    drawn = axes.imshow(values, cmap=image.colors, vmin=image.low, vmax=image.high, extent=image.extent)
    if image.bar is not None:
        axes.figure.colorbar(drawn, cax=axes.figure.add_axes(image.bar))
