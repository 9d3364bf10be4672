"""Pictures of trajectories with matplotlib, which is imported with this module."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lindyn.errors import ArgumentError, UnknownNameError
from lindyn.results.animation import Film, write_film
from lindyn.results.axes import (
    MAX_NAMED,
    AnyAxes,
    Style,
    check_name,
    draw_line,
    given_or_new,
    ordered_colours,
    over_time,
    show_constant,
    single_style,
)
from lindyn.results.labels import label
from lindyn.results.look import FIRST, SECOND
from lindyn.results.matrices import draw_matrix, largest_of, name_blocks, name_sides
from lindyn.wire.array import FloatArray
from lindyn.wire.dimensions import dimensions
from lindyn.wire.trajectory import TrajectoryReply
from lindyn.wire.wording import not_part_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOSSES = ("loss", "excess_loss")
_MODES = ("singular_values", "mode_strengths")
_FILMED = ("qqt", "output", "input_representation", "output_representation", "rsm_input", "rsm_output")


class TrajectoryPlots:
    """Pictures of a trajectory. Every method draws into `ax`, or into a new figure, and returns the axes."""

    def __init__(self, times: FloatArray, arrays: Mapping[str, FloatArray], reply: TrajectoryReply) -> None:
        self._times = times
        self._arrays = arrays
        self._reply = reply

    def __call__(self, path: str | None = None, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw a quantity as `line` does, or a matrix at the last time; by default the loss.

        Raises:
            UnknownNameError: the trajectory has no such quantity; this is also a KeyError.
        """
        check_name(path)
        if path is None:
            path = next((name for name in _LOSSES if name in self._arrays), next(iter(self._arrays)))
        if self._array(path).ndim > 2:
            return self.matrix(path, float(self._times[-1]), ax, **style)
        return self.line(path, ax, **style)

    def line(self, path: str, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw any quantity that is one number at each time, or one for each mode, layer or pair of layers.

        Args:
            path: path of the quantity, such as `loss`, `weight_norms`, `balance.lambda` or `evaluation.loss`.
            ax: axes to draw into.
            style: keyword arguments of `plot`.

        Raises:
            UnknownNameError: the trajectory has no such quantity; this is also a KeyError.
            ArgumentError: the quantity has matrices, which `matrix` draws.
        """
        values = self._array(path)
        if values.ndim > 2:
            raise ArgumentError(f"{path} has a matrix at each time: draw it with plot.matrix({path!r}, t=...)")
        axes = given_or_new(ax)
        if values.ndim == 1:
            draw_line(axes, self._times, values, **single_style(ax, style))
            show_constant(axes)
            return self._over_time(axes, path, "label" in style)
        dims = dimensions(path, 2)
        by_time = values.T if dims[1] == "time" else values
        noun = "task" if dims[1] == "time" else dims[1]
        return self._over_time(axes, path, self._several(axes, by_time, noun, style))

    def matrix(self, path: str, t: float, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw a matrix at the computed time that is nearest to `t`, in colours that are the same at all times.

        Args:
            path: path of the quantity, such as `output`, `weights.0`, `ntk` or `rsm_input`.
            t: time.
            ax: axes to draw into.
            style: keyword arguments of `imshow`.

        Raises:
            UnknownNameError: the trajectory has no such quantity; this is also a KeyError.
            ArgumentError: the quantity has no matrices, or `t` is no number.
        """
        values = self._array(path)
        if values.ndim != 3:
            raise ArgumentError(f"{path} has no matrices: draw it with plot.line({path!r})")
        if not isinstance(t, Real) or np.isnan(t):
            raise ArgumentError(f"t: got {t!r}, expected a time, such as {self._times[-1]:g}")
        nearest = int(np.argmin(np.abs(self._times - t)))
        axes = given_or_new(ax)
        draw_matrix(axes, values[nearest], largest_of(values), label(path).words, style)
        if path == "qqt":
            name_blocks(axes, self._reply.dims[0], self._reply.dims[-1])
        else:
            name_sides(axes, dimensions(path, 3)[1:], len(self._reply.dims) - 1)
        symbol = label(path).symbol
        axes.set_title(f"{symbol} at t = {self._times[nearest]:.3g}" if symbol else f"t = {self._times[nearest]:.3g}")
        return axes

    def loss(self, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the loss over time, or the excess loss if the trajectory has no loss."""
        return self.line(self._first(_LOSSES), ax, **style)

    def ntk(self, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw how far the neural tangent kernel has moved: its relative movement, or else its change of direction.

        Both are 0 as long as the network is lazy. A kernel that grows in its own direction moves, too, so that
        `ntk_movement` tells rich from lazy where `ntk_distance` does not.
        """
        axes: AnyAxes = self.line(self._first(("ntk_movement", "ntk_distance")), ax, **style)
        axes.autoscale(axis="y")  # an earlier call switched it off by its limit
        axes.set_ylim(bottom=0)
        return axes

    def modes(self, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the strength of each mode over time, and as a dashed line that of the best network function."""
        name = self._first(_MODES)
        axes = given_or_new(ax)
        values = self._arrays[name]
        self._several(axes, values, "mode", style)
        targets = self._reply.targets(name)
        for i, (target, colour) in enumerate(zip(targets, ordered_colours(values.shape[1]), strict=False)):
            axes.axhline(target, color=colour, linestyle="--", linewidth=0.8, label="" if i else "target")
        return self._over_time(axes, name, True)

    def alignment(self, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the alignment of the network's singular vectors with the task's: outputs solid, inputs dotted.

        Lines of equally strong modes coincide; there is no line where the task or the network has no such mode.
        """
        self._first(("alignment.input",), "alignment")
        axes = given_or_new(ax)
        named = False
        for side, line in (("input", ":"), ("output", "-")):
            values = self._arrays[f"alignment.{side}"]
            named = self._several(axes, values, f"{side}, mode", {"linestyle": line, **style})
        axes.set_ylim(-0.05, 1.05)
        return self._over_time(axes, "alignment", named)

    def task_specificity(self, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the task specificity of the representations of the inputs and of the outputs."""
        self._first(("task_specificity.input",), "task_specificity")
        axes = given_or_new(ax)
        for side, colour in (("input", FIRST), ("output", SECOND)):
            values = self._arrays[f"task_specificity.{side}"]
            draw_line(axes, self._times, values, **{"color": colour, "label": side, **style})
        return self._over_time(axes, "task_specificity", True)

    def balance(self, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the balance lambda of each pair of adjacent layers, which gradient flow keeps."""
        return self.line(self._first(("balance.lambda",), "balance"), ax, **style)

    def weights(self, t: float, layer: int = 0, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the weights of a layer, the first one being 0, at the computed time that is nearest to `t`."""
        self._first(("weights.0",), "weights")
        return self.matrix(f"weights.{layer}", t, ax, **style)

    def qqt(self, t: float, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the outer product of the stacked weights at the computed time that is nearest to `t`.

        Its blocks are W1^T W1, the representation of the inputs; W2 W1, the network function; and W2 W2^T, the
        representation of the outputs.
        """
        return self.matrix(self._first(("qqt",)), t, ax, **style)

    def animate(
        self,
        path: str | Path,
        *,
        line: str | None = None,
        matrix: str | None = None,
        frames: int = 60,
        frames_per_second: float = 12,
    ) -> Path:
        """Write a film of the trajectory, a line with a moving time and a matrix, and return its path.

        Args:
            path: ends with `.gif`, or with `.mp4`, which needs the program ffmpeg.
            line: quantity of the line, by default the loss or else the singular values.
            matrix: quantity of the matrix; by default the first of `qqt`, `output` and the representations that the
                trajectory has, and only the line if it has none.
            frames: largest number of frames, which are evenly spaced among the times.
            frames_per_second: speed of the film.

        Raises:
            ArgumentError: the name ends with neither, or there are no frames.
            UnknownNameError: the trajectory has no such quantity; this is also a KeyError.
            MissingLibraryError: ffmpeg is not installed.
        """
        if frames < 1 or frames_per_second <= 0:
            raise ArgumentError(f"got {frames} frames at {frames_per_second} in a second, expected more than 0 of each")
        drawn = line or self._first((*_LOSSES, *_MODES))
        filmed = matrix or next((name for name in _FILMED if name in self._arrays), None)
        shown = np.unique(np.linspace(0, len(self._times) - 1, frames).round().astype(int))
        film = Film(self._times, partial(self.line, drawn))
        if filmed is not None:
            film = replace(film, matrix=partial(self.matrix, filmed), values=self._array(filmed))
        return write_film(Path(path), film, shown, frames_per_second)

    def _several(self, axes: AnyAxes, values: FloatArray, noun: str, style: dict[str, Style]) -> bool:
        """Draw a line for each column; return whether the lines are few enough to be named in a legend."""
        named = values.shape[1] <= MAX_NAMED
        for i, colour in enumerate(ordered_colours(values.shape[1])):
            own: dict[str, Style] = {"label": f"{noun} {i + 1}"} if named else {}
            draw_line(axes, self._times, values[:, i], **{"color": colour, **own, **style})
        return named

    def _array(self, path: str) -> FloatArray:
        if path not in self._arrays:
            raise UnknownNameError(not_part_of("trajectory", path, self._arrays))
        return self._arrays[path]

    def _first(self, paths: tuple[str, ...], quantity: str | None = None) -> str:
        """Return the first of these paths that the trajectory has."""
        for path in paths:
            if path in self._arrays:
                return path
        known = ", ".join(dict.fromkeys(path.partition(".")[0] for path in self._arrays))
        needed = quantity or " or ".join(paths)
        raise ArgumentError(f"this picture needs {needed}; the trajectory has {known}: add it to quantities")

    def _over_time(self, axes: AnyAxes, path: str, legend: bool) -> "Axes":
        return over_time(axes, self._times, label(path).words, legend=legend)
