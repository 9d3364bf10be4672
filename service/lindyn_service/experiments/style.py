"""How the pictures look. Matplotlib is imported when a picture is drawn, never when the service starts."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""The cycle of all axes, told apart by colour-blind eyes (Okabe and Ito)."""

THEORY = "#000000"
"""What theory says, beside or on top of what was simulated."""

Axes = Any  # matplotlib's own annotations are incomplete

_PANEL = (4.2, 3.2)  # inches


def new_figure(n_axes: int, columns: int = 3) -> tuple["Figure", list[Axes]]:
    """Lay out panels, row by row.

    Args:
        n_axes: number of panels.
        columns: panels in a row, at most.

    Returns:
        The figure and its panels; places of the last row that are left over stay empty.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 (see above)

    columns = min(columns, n_axes)
    rows = -(-n_axes // columns)
    figure = Figure(figsize=(_PANEL[0] * columns, _PANEL[1] * rows), layout="constrained")
    panels: list[Axes] = [figure.add_subplot(rows, columns, place + 1) for place in range(n_axes)]
    for axes in panels:
        axes.set_prop_cycle(color=COLOURS)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
    return figure, panels
