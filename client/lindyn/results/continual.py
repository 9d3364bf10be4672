"""Losses of tasks that are learned one after the other, with their provenance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from lindyn._public import public
from lindyn.errors import UnknownNameError
from lindyn.results.files import Labelled
from lindyn.results.io import Parts
from lindyn.results.labelled import reply_dataset
from lindyn.results.labels import lambda_text
from lindyn.results.named import Named
from lindyn.results.replied import Replied
from lindyn.results.table import Columns, Variables, columns, selected
from lindyn.wire.array import FloatArray
from lindyn.wire.continual import BestStop, ContinualReply, SegmentReply
from lindyn.wire.tree import Tree, split
from lindyn.wire.wording import not_part_of

if TYPE_CHECKING:
    import xarray as xr

    from lindyn.results.continual_plots import ContinualPlots

_OVER_TIME = ("loss", "rate", "forgetting")


@public
@dataclass(frozen=True, repr=False, eq=False)
class Continual(Replied, Labelled, Named):
    """The losses of all tasks while they are learned one after the other.

    Indices of tasks count from 0; pictures and tables count tasks from 1, as they count modes.

    Attributes:
        reply: the whole reply: balance, seeds, segments, the best times to stop, warnings, version.
    """

    reply: ContinualReply

    @property
    def times(self) -> FloatArray:
        """One axis for all tasks, (time,); the common end of two segments occurs twice."""
        return cast("FloatArray", self.reply.times)

    @property
    def loss(self) -> FloatArray:
        """Loss of each task, (task, time)."""
        return cast("FloatArray", self.reply.loss)

    @property
    def rate(self) -> FloatArray:
        """Time derivative of each loss, (task, time)."""
        return cast("FloatArray", self.reply.rate)

    @property
    def forgetting(self) -> FloatArray:
        """Loss of each task minus its loss at the end of its own segment, (task, time); NaN before that end."""
        return cast("FloatArray", self.reply.forgetting)

    @property
    def final_loss(self) -> FloatArray:
        """Losses at the end of each segment, (segment, task)."""
        return cast("FloatArray", self.reply.final_loss)

    @property
    def lam(self) -> float:
        """Balance of the weights, which learning keeps."""
        return self.reply.lam

    @property
    def segments(self) -> Sequence[SegmentReply]:
        """The interval of training on each task, with `start`, `stop`, and their indices `first` and `last`."""
        return self.reply.segments

    @property
    def best_stopping(self) -> Sequence[BestStop]:
        """For each later segment and each task before it, the time at which the old loss is smallest."""
        return self.reply.best_stopping

    @property
    def plot(self) -> "ContinualPlots":
        """Pictures, such as `r.plot.loss()`.

        Raises:
            MissingLibraryError: matplotlib is not installed.
        """
        from lindyn.results.continual_plots import ContinualPlots  # noqa: PLC0415 (imports matplotlib)

        ends = [segment.start for segment in self.segments[1:]]
        return ContinualPlots(self.times, {name: self[name] for name in _OVER_TIME}, ends)

    def to_xarray(self) -> "xr.Dataset":
        """Return a dataset with the dimensions `task`, `time` and `segment`, and the provenance as attributes.

        Raises:
            MissingLibraryError: xarray is not installed.
        """
        variables = {**self._over_time(), "final_loss": (("segment", "task"), self.final_loss)}
        title = f"learning of {len(self.segments)} tasks by a {'-'.join(map(str, self.reply.dims))} linear network"
        return reply_dataset(title, variables, self.times, self._parts()[0])

    def __getitem__(self, name: str) -> FloatArray:
        """Return an array by its name.

        Raises:
            UnknownNameError: there is no such array; this is also a KeyError.
        """
        names = ("times", *_OVER_TIME, "final_loss")
        if name not in names:
            raise UnknownNameError(not_part_of("answer", name, names))
        return cast("FloatArray", getattr(self.reply, name))

    def __repr__(self) -> str:
        tasks = "".join(f"\n  {name}: {text}" for name, text in self._rows())
        widths = "-".join(map(str, self.reply.dims))
        return f"<Continual {widths}, lambda = {lambda_text(self.lam)}, {len(self.times)} times{tasks}>"

    def _repr_html_(self) -> str:
        from lindyn.results.html import card  # noqa: PLC0415 (needed in notebooks only)

        network = f"{'-'.join(map(str, self.reply.dims))}, λ = {lambda_text(self.lam)}"
        computed = f"lindyn {self.reply.version}, key {self.reply.key[:12]}…"
        shapes = [(name, self[name].shape) for name in (*_OVER_TIME, "final_loss")]
        return card("Continual", [("network", network), *self._rows(), ("computed by", computed)], shapes)

    def _rows(self) -> list[tuple[str, str]]:
        """Return what became of each task, and the warnings."""
        tasks = [
            (
                f"task {i + 1}",
                f"learned from t = {each.start:.6g} to {each.stop:.6g}, loss {self.final_loss[i, i]:.3g} then and "
                f"{self.loss[i, -1]:.3g} at the end",
            )
            for i, each in enumerate(self.segments)
        ]
        return tasks + [(f"warning {each.code}", each.detail) for each in self.reply.warnings]

    def _over_time(self) -> Variables:
        return {name: (("task", "time"), self[name]) for name in _OVER_TIME}

    def _parts(self) -> Parts:
        return split(cast("Mapping[str, Tree]", self._document()))

    def _document(self) -> Mapping[str, object]:
        return self.reply.model_dump(by_alias=True)

    def _columns(self, names: Sequence[str]) -> Columns:
        """Return the arrays over time; the losses at the ends of segments are among them."""
        return columns({"time": self.times}, selected(names, self._over_time(), "table"), {})


def continual_from_document(document: Mapping[str, Tree]) -> Continual:
    """Build a result from a reply whose arrays are in their places."""
    return Continual(ContinualReply.model_validate(document))
