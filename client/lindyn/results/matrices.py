"""Pictures of matrices with matplotlib, which is imported with this module."""

from collections.abc import Sequence

import numpy as np

from lindyn.results.axes import AROUND_ZERO, AnyAxes, Style, integer_ticks
from lindyn.wire.array import FloatArray

_UNITS = {
    "in": "input",
    "out": "output",
    "hidden": "hidden unit",
    "row": "input and output",
    "sample": "sample",
    "out_sample": "output of each sample",
}


def largest_of(values: FloatArray) -> float:
    """Return the largest absolute value, or 1 if all are zero, for the limits of colours around zero."""
    return float(np.max(np.abs(values))) or 1.0


def draw_matrix(axes: AnyAxes, values: FloatArray, largest: float, words: str, style: dict[str, Style]) -> None:
    """Draw a matrix in colours from `-largest` to `largest`, with a colour bar; rows and columns count from 1."""
    rows, columns = values.shape
    ends = (0.5, columns + 0.5, rows + 0.5, 0.5)
    image = axes.imshow(values, **{"cmap": AROUND_ZERO, "vmin": -largest, "vmax": largest, "extent": ends, **style})
    integer_ticks(axes.xaxis)
    integer_ticks(axes.yaxis)
    axes.figure.colorbar(image, ax=axes, label=words)


def name_sides(axes: AnyAxes, dims: Sequence[str], depth: int) -> None:
    """Label rows and columns of a matrix by what its dimensions number, for a network of `depth` layers."""
    rows, columns = (_unit(dim, depth) for dim in dims)
    axes.set(xlabel=columns, ylabel=rows)


def name_blocks(axes: AnyAxes, n_in: int, n_out: int) -> None:
    """Separate and label the blocks of a matrix whose rows are the inputs and then the outputs."""
    for line in (axes.axhline, axes.axvline):
        line(n_in + 0.5, color="0.3", linewidth=0.8)
    middles = [(n_in + 1) / 2, n_in + (n_out + 1) / 2]
    axes.set_xticks(middles, ["in", "out"])
    axes.set_yticks(middles, ["in", "out"], rotation=90, va="center")


def _unit(dim: str, depth: int) -> str:
    """Return the noun for what a dimension numbers."""
    name = dim.removesuffix("_2") if dim.removesuffix("_2") in _UNITS else dim
    if not name.startswith("width_"):
        return _UNITS[name]
    layer = int(name.removeprefix("width_"))
    return {0: "input", depth: "output"}.get(layer, "hidden unit" if depth == 2 else f"unit of hidden layer {layer}")
