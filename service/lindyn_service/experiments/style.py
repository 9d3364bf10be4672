"""Style of the figures. Matplotlib is imported when a figure is drawn, never when the service starts."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Colour cycle of all axes: the palette of Okabe and Ito, which colour-blind readers can distinguish."""

THEORY = "#000000"
"""Colour of theoretical predictions."""

Axes = Any  # matplotlib's own annotations are incomplete

_PANEL = (4.2, 3.2)  # inches


def new_figure(n_axes: int, columns: int = 3) -> tuple["Figure", list[Axes]]:
    """Create a figure whose panels are arranged row by row; the last row may be incomplete.

    Args:
        n_axes: number of panels.
        columns: largest number of panels in a row.

    Returns:
        The figure and its panels.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 (see above)

    columns = min(columns, n_axes)
    rows = -(-n_axes // columns)
    figure = Figure(figsize=(_PANEL[0] * columns, _PANEL[1] * rows), layout="constrained")
    panels: list[Axes] = [figure.add_subplot(rows, columns, i + 1) for i in range(n_axes)]
    for axes in panels:
        axes.set_prop_cycle(color=COLOURS)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
    return figure, panels
