"""Films of trajectories with matplotlib, which is imported with this module."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lindyn.errors import ArgumentError, MissingLibraryError
from lindyn.results.axes import AnyAxes
from lindyn.results.optional import library
from lindyn.wire.array import FloatArray

_WIDTH, _HEIGHT = 4.2, 3.4  # inches of each panel
_DPI = 100

_matplotlib = library("matplotlib", "plotting")
_figure = library("matplotlib.figure", "plotting")
_animation = library("matplotlib.animation", "plotting")


@dataclass(frozen=True)
class Film:
    """The contents of the frames of a film.

    Attributes:
        times: (time,).
        line: draws a line over all times.
        matrix: draws a matrix at a time; None for a film without one.
        values: the matrix at all times, (time, row, column), or None.
    """

    times: FloatArray
    line: Callable[[AnyAxes], AnyAxes]
    matrix: Callable[[float, AnyAxes], AnyAxes] | None = None
    values: FloatArray | None = None


def write_film(path: Path, film: Film, shown: Iterable[int], frames_per_second: float) -> Path:
    """Write a film with a frame for each of the times that are shown, and return its path.

    Raises:
        ArgumentError: the name ends with neither `.gif` nor `.mp4`, or its folder does not exist.
        MissingLibraryError: ffmpeg is not installed.
    """
    writer = _writer(path, frames_per_second)
    panels = 1 if film.matrix is None else 2
    # without pyplot, so that no window opens and no figure is left open
    figure: Any = _figure.Figure(figsize=(_WIDTH * panels, _HEIGHT), layout="constrained")
    panel: AnyAxes = figure.subplots(1, panels, squeeze=False)[0]
    left, right = panel[0], panel[-1]
    film.line(left)
    left.set_title("t")
    cursor = left.axvline(film.times[0], color="0.3", linewidth=1)
    if film.matrix is not None:
        film.matrix(float(film.times[0]), right)
        right.set_title("")  # the title of the line shows the time
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the layout is that of the first frame in all frames, which saves time
    with _matplotlib.rc_context({"savefig.bbox": None}), writer.saving(figure, str(path), _DPI):
        for index in shown:
            cursor.set_xdata([film.times[index]] * 2)
            left.set_title(f"t = {film.times[index]:.3g}")
            if film.values is not None:
                right.images[0].set_data(film.values[index])
            writer.grab_frame()
    return path


def _writer(path: Path, frames_per_second: float) -> Any:  # noqa: ANN401 (matplotlib's types are incomplete)
    if not path.parent.is_dir():
        raise ArgumentError(f"{path}: there is no folder {path.parent}; create it, or name another file")
    match path.suffix:
        case ".gif":
            return _animation.PillowWriter(fps=frames_per_second)
        case ".mp4":
            if not _animation.FFMpegWriter.isAvailable():
                raise MissingLibraryError(
                    "a film in .mp4 needs the program ffmpeg, which is not installed; write a .gif"
                )
            return _animation.FFMpegWriter(fps=frames_per_second)
        case _:
            raise ArgumentError(f"got a file name that ends with {path.suffix!r}, expected .gif or .mp4")
