"""The look of pictures: sizes and fonts for papers and slides."""

from contextlib import AbstractContextManager, ExitStack
from typing import Literal, TypeAlias

from lindyn.errors import ArgumentError
from lindyn.results.optional import library

Style: TypeAlias = Literal["paper", "slides"]

_SHARED: dict[str, object] = {
    "pdf.fonttype": 42,  # TrueType, which journals take and drawing programs edit, instead of Type 3
    "ps.fonttype": 42,
    "svg.fonttype": "path",
    "savefig.dpi": 300,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
_STYLES: dict[str, dict[str, object]] = {
    "paper": {
        "figure.figsize": (3.4, 2.5),  # inches: one column of a journal
        "font.size": 8.0,
        "axes.linewidth": 0.6,
        "lines.linewidth": 1.2,
        "lines.markersize": 3.0,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
    },
    "slides": {
        "figure.figsize": (8.0, 4.5),
        "font.size": 18.0,
        "axes.linewidth": 1.2,
        "lines.linewidth": 3.0,
        "lines.markersize": 8.0,
        "xtick.major.width": 1.2,
        "ytick.major.width": 1.2,
    },
}


def style(name: Style) -> AbstractContextManager[object]:
    """Set sizes, fonts and the resolution of files for pictures that are drawn and saved from now on.

    Files in PDF and PostScript embed their fonts as TrueType. The settings are those of matplotlib (`rcParams`), for
    all of its pictures. With `with lindyn.plots.style("paper"):` they hold until the end of the block.

    Args:
        name: `paper`, for one column of a journal, or `slides`.

    Raises:
        ArgumentError: there is no such style.
        MissingLibraryError: matplotlib is not installed.
    """
    if name not in _STYLES:
        raise ArgumentError(f"got the style {name!r}, expected 'paper' or 'slides'")
    settings: dict[str, object] = library("matplotlib", "plotting").rcParams
    new = _SHARED | _STYLES[name]
    stack = ExitStack()
    stack.callback(settings.update, {key: settings[key] for key in new})
    settings.update(new)
    return stack
