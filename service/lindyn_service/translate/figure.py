"""Figures of experiments as data."""

# pyright: reportUnknownMemberType=false
# (matplotlib has incomplete annotations)

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lindyn.wire.figure import FigureArea, FigureImage, FigureLine, FigurePanel, FigureReply

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Artist = Any  # matplotlib's own annotations are incomplete


def figure_reply(figure: "Figure") -> FigureReply:
    """Describe the lines, areas and images of a figure; colour bars belong to their images."""
    figure.draw_without_rendering()  # which places the axes
    panels: list[Artist] = figure.axes
    bars = [image.colorbar.ax for axes in panels for image in axes.images if image.colorbar is not None]
    size: Artist = figure.get_size_inches()
    return FigureReply(size=size.tolist(), panels=[_panel(axes) for axes in panels if axes not in bars])


def _panel(axes: Artist) -> FigurePanel:
    from matplotlib.ticker import FixedLocator  # noqa: PLC0415 (slow to import, and seldom used)

    texts = [text.get_text() for text in axes.get_xticklabels()]
    is_fixed = isinstance(axes.xaxis.get_major_locator(), FixedLocator)
    labels = _labels(axes)
    return FigurePanel(
        bounds=list(axes.get_position().bounds),
        title=axes.get_title(),
        x_label=axes.get_xlabel(),
        y_label=axes.get_ylabel(),
        x_scale=axes.get_xscale(),
        y_scale=axes.get_yscale(),
        x_range=list(map(float, axes.get_xlim())),
        y_range=list(map(float, axes.get_ylim())),
        x_ticks=list(zip(map(float, axes.get_xticks()), texts, strict=True)) if is_fixed else None,
        legend=axes.get_legend() is not None,
        lines=[*(_line(axes, each, labels.get(each)) for each in axes.lines), *_segments(axes, labels)],
        areas=[area for each in axes.collections for area in _areas(each)],
        images=[_image(each) for each in axes.images],
    )


def _labels(axes: Artist) -> dict[Artist, str]:
    """Return the texts of the legend by line; those of error bars belong to the line of their points."""
    handles, texts = axes.get_legend_handles_labels()
    return {
        handle[0] if isinstance(handle, tuple) else handle: text for handle, text in zip(handles, texts, strict=True)
    }


def _line(axes: Artist, line: Artist, label: str | None) -> FigureLine:
    marker = line.get_marker()
    return FigureLine(
        x=_numbers(line.get_xdata()),
        y=_numbers(line.get_ydata()),
        across=_across(axes, line),
        label=label,
        color=_colour(line.get_color(), line.get_alpha()),
        style=line.get_linestyle(),
        width=line.get_linewidth(),
        marker=marker if isinstance(marker, str) else "None",
        marker_size=line.get_markersize(),
        order=line.get_zorder(),
    )


def _across(axes: Artist, line: Artist) -> Literal["x", "y"] | None:
    """Return the axis that a line spans, as those of `axhline` and `axvline` do."""
    if line.get_transform() == axes.get_yaxis_transform(which="grid"):
        return "x"
    return "y" if line.get_transform() == axes.get_xaxis_transform(which="grid") else None


def _segments(axes: Artist, labels: dict[Artist, str]) -> Iterator[FigureLine]:
    """Describe error bars and the like as lines, whose parts are separated by NaN."""
    for each in axes.collections:
        segments: list[Artist] = each.get_segments() if hasattr(each, "get_segments") else []
        if not segments:
            continue
        gap = np.full((1, 2), np.nan)
        points: Artist = np.concatenate([part for segment in segments for part in (np.reshape(segment, (-1, 2)), gap)])
        colour = _colour(each.get_colors()[0], each.get_alpha())
        width = float(each.get_linewidths()[0])
        yield FigureLine(
            x=_numbers(points[:, 0]), y=_numbers(points[:, 1]), across=None, label=labels.get(each), color=colour,
            style="-", width=width, marker="None", marker_size=0.0, order=each.get_zorder(),
        )  # fmt: skip


def _areas(collection: Artist) -> Iterator[FigureArea]:
    if hasattr(collection, "get_segments"):
        return
    for path in collection.get_paths():
        colour = _colour(collection.get_facecolor()[0], None)
        yield FigureArea(vertices=path.vertices.tolist(), color=colour, order=collection.get_zorder())


def _image(image: Artist) -> FigureImage:
    low, high = image.get_clim()
    bar = image.colorbar
    return FigureImage(
        values=_numbers(np.ma.filled(image.get_array(), np.nan)),
        extent=list(map(float, image.get_extent())),
        colors=image.get_cmap().name,
        low=float(low),
        high=float(high),
        bar=None if bar is None else list(bar.ax.get_position().bounds),
    )


def _numbers(values: Artist) -> Any:  # noqa: ANN401 (nested lists)
    """Return nested lists, with null for what is no finite number."""
    array = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(array), array, np.array(None)).tolist()


def _colour(colour: Artist, alpha: float | None) -> str:
    from matplotlib.colors import to_hex, to_rgba  # noqa: PLC0415 (slow to import, and seldom used)

    return to_hex(to_rgba(colour, alpha), keep_alpha=True)
