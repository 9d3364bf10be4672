"""Pictures of ensembles with matplotlib, which is imported with this module."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lindyn.errors import ArgumentError, UnknownNameError
from lindyn.results.axes import MAX_NAMED, Style, check_name, draw_line, given_or_new, ordered_colours, over_time
from lindyn.results.labels import label
from lindyn.results.look import FIRST
from lindyn.wire.array import FloatArray
from lindyn.wire.dimensions import dimensions
from lindyn.wire.wording import not_part_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOSSES = ("loss", "excess_loss")
_MEDIAN = 0.5


class EnsemblePlots:
    """Pictures of an ensemble. Every method draws into `ax`, or into a new figure, and returns the axes."""

    def __init__(
        self,
        times: FloatArray,
        means: Mapping[str, FloatArray],
        quantiles: Mapping[str, FloatArray],
        levels: Sequence[float],
        wide: Mapping[str, FloatArray],
    ) -> None:
        self._times = times
        self._means = means
        self._quantiles = quantiles
        self._levels = levels
        self._wide = wide

    def __call__(self, path: str | None = None, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw a quantity as `line` does, by default the loss."""
        check_name(path)
        return self.loss(ax, **style) if path is None else self.line(path, ax, **style)

    def loss(self, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the median of the loss, or else of the excess loss or the first quantity, with bands of quantiles."""
        return self.line(next((each for each in _LOSSES if each in self._means), next(iter(self._means))), ax, **style)

    def line(self, path: str, ax: "Axes | None" = None, **style: Style) -> "Axes":
        """Draw the median of a quantity over time, with bands between the quantiles of opposite ranks.

        The mean replaces the median if 0.5 is not among the levels; the limit of wide networks is a dashed line.

        Args:
            path: path of a quantity with one number, or one for each mode, at each time.
            ax: axes to draw into.
            style: keyword arguments of `plot`.

        Raises:
            UnknownNameError: the ensemble has no such quantity; this is also a KeyError.
            ArgumentError: the quantity has matrices.
        """
        if path not in self._means:
            raise UnknownNameError(not_part_of("ensemble", path, self._means))
        n_dims = self._means[path].ndim
        if n_dims > 2:
            raise ArgumentError(f"a line needs one number at each time, or one for each mode; {path} has matrices")
        axes = given_or_new(ax)
        n_lines = 1 if n_dims == 1 else self._means[path].shape[1]
        noun = "" if n_dims == 1 else dimensions(path, 2)[1]
        named = 1 < n_lines <= MAX_NAMED
        for i, colour in enumerate([FIRST] if n_lines == 1 else ordered_colours(n_lines)):
            own: dict[str, Style] = {"label": f"{noun} {i + 1}"} if named else {}
            if ax is None or n_lines > 1:
                own["color"] = colour
            self._draw(axes, path, i if n_dims == 2 else None, {**own, **style})
        return over_time(axes, self._times, label(path).words, legend=named or "label" in style)

    def _draw(self, axes: Style, path: str, mode: int | None, style: dict[str, Style]) -> None:
        """Draw one line with its bands."""
        part = ... if mode is None else (..., mode)
        order = sorted(range(len(self._levels)), key=self._levels.__getitem__)
        rows = [self._quantiles[path][i][part] for i in order]
        middle = self._means[path][part]
        if _MEDIAN in self._levels:
            middle = self._quantiles[path][list(self._levels).index(_MEDIAN)][part]
        line = draw_line(axes, self._times, middle, **style)
        for low, high in zip(rows[: len(rows) // 2], rows[::-1], strict=False):
            axes.fill_between(self._times, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        if path in self._wide:
            draw_line(axes, self._times, self._wide[path][part], color=line.get_color(), linestyle="--", linewidth=0.8)
