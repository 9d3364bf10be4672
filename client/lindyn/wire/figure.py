"""Figures of experiments as data, which a client can draw again and add to."""

from typing import Annotated, Literal

from pydantic import Field

from lindyn.wire.array import Arrays
from lindyn.wire.base import Reply

Bounds = Annotated[
    list[float],
    Field(description="Left, bottom, width and height, in parts of the figure's size, from the lower left."),
]


class FigureLine(Reply):
    """A line, or markers; nulls separate its parts."""

    x: Arrays
    y: Arrays
    across: Annotated[
        Literal["x", "y"] | None,
        Field(description="The axis along which the line goes from end to end at one value of the other, if any."),
    ]
    label: Annotated[str | None, Field(description="Text in the legend.")]
    color: str
    style: str
    width: float
    marker: str
    marker_size: float
    order: float


class FigureArea(Reply):
    """A filled area."""

    vertices: Annotated[Arrays, Field(description="(vertex, 2)")]
    color: str
    order: float


class FigureImage(Reply):
    """A matrix in colours."""

    values: Arrays
    extent: Annotated[list[float], Field(description="Left, right, bottom and top, in the units of the axes.")]
    colors: Annotated[str, Field(description="Name of the colour map in matplotlib.")]
    low: float
    high: float
    bar: Annotated[Bounds | None, Field(description="Place of the colour bar; null without one.")]


class FigurePanel(Reply):
    """A pair of axes and what is drawn into them."""

    bounds: Bounds
    title: str
    x_label: str
    y_label: str
    x_scale: str
    y_scale: str
    x_range: list[float]
    y_range: list[float]
    x_ticks: Annotated[
        list[tuple[float, str]] | None, Field(description="Places and texts; null if they follow from the range.")
    ]
    legend: bool
    lines: list[FigureLine]
    areas: list[FigureArea]
    images: list[FigureImage]


class FigureReply(Reply):
    """The figure of an experiment."""

    size: Annotated[list[float], Field(description="Width and height in inches.")]
    panels: list[FigurePanel]
