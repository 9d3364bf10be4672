"""Limits of learning in time and in lambda, with their provenance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from lindyn._public import public
from lindyn.results.files import Labelled
from lindyn.results.io import Parts
from lindyn.results.labelled import reply_dataset
from lindyn.results.labels import lambda_text
from lindyn.results.replied import Replied
from lindyn.results.table import Columns, Variables, columns, selected
from lindyn.wire.asymptotics import Converged, Extremes, LimitsReply, Shallow
from lindyn.wire.tree import Tree, split

if TYPE_CHECKING:
    import xarray as xr

    from lindyn.results.limits_plots import LimitsPlots

_SCALARS = ("lam", "convergence_time", "effective_learning_rate", "largest_learning_rate")
_DIMS = {
    "output": ("out", "in"),
    "fast_limit": ("out", "in"),
    "input_representation": ("in", "in_2"),
    "output_representation": ("out", "out_2"),
}


@public
@dataclass(frozen=True, repr=False, eq=False)
class Limits(Replied, Labelled):
    """The limits of learning.

    Attributes:
        reply: the whole reply: balance, seeds, warnings, version.
    """

    reply: LimitsReply

    @property
    def converged(self) -> Converged:
        """The state as t goes to infinity: `output`, both representations, `loss` and `reached_rank`."""
        return self.reply.converged

    @property
    def convergence_time(self) -> float | None:
        """First time at which the excess loss is at most the tolerance; None if there is none."""
        return self.reply.convergence_time

    @property
    def effective_learning_rate(self) -> float | None:
        """|lambda| / tau; None if `lambda_to_infinity` is None."""
        return self.reply.effective_learning_rate

    @property
    def largest_learning_rate(self) -> float | None:
        """Largest stable learning rate of gradient descent near the limit; None if no eigenvalue is positive."""
        return self.reply.largest_learning_rate

    @property
    def lambda_to_infinity(self) -> Extremes | None:
        """The limits of large |lambda| of both signs; None where they are not known."""
        return self.reply.lambda_to_infinity

    @property
    def shallow(self) -> Shallow | None:
        """A network of one layer that starts from the same function; None where there is no closed form."""
        return self.reply.shallow

    @property
    def lam(self) -> float | None:
        """Balance of the weights; None if the modes have different ones, and for one layer."""
        return self.reply.lam

    @property
    def plot(self) -> "LimitsPlots":
        """Pictures, such as `r.plot.converged()`.

        Raises:
            MissingLibraryError: matplotlib is not installed.
        """
        from lindyn.results.limits_plots import LimitsPlots  # noqa: PLC0415 (imports matplotlib)

        return LimitsPlots(self.reply)

    def to_xarray(self) -> "xr.Dataset":
        """Return a dataset with named dimensions, whose variables have names such as `converged.output`.

        Raises:
            MissingLibraryError: xarray is not installed.
        """
        metadata, _ = self._parts()
        title = f"limits of learning of a {'-'.join(map(str, self.reply.dims))} linear network"
        return reply_dataset(title, self._variables(), None, metadata)

    def __repr__(self) -> str:
        rows = "".join(f"\n  {name}: {text}" for name, text in self._rows())
        return f"<Limits{rows}>"

    def _repr_html_(self) -> str:
        from lindyn.results.html import card  # noqa: PLC0415 (needed in notebooks only)

        computed = f"lindyn {self.reply.version}, key {self.reply.key[:12]}…"
        shapes = [(path, array.shape) for path, array in self._parts()[1].items()]
        return card("Limits", [*self._rows(), ("computed by", computed)], shapes)

    def _rows(self) -> list[tuple[str, str]]:
        """Return the numbers of the limits with their names, and the warnings."""
        reply, rate = self.reply, self.largest_learning_rate
        balance = "" if reply.lam is None else f", lambda = {lambda_text(reply.lam)}"
        state = f"loss {reply.converged.loss:.6g}, rank {reply.converged.reached_rank} of {reply.converged.task_rank}"
        time = "never" if reply.convergence_time is None else f"from t = {reply.convergence_time:.6g} on"
        return [
            ("network", f"{'-'.join(map(str, reply.dims))}{balance}"),
            ("as t goes to infinity", state),
            (f"excess loss at most {reply.tolerance:g}", time),
            ("largest stable learning rate", "none" if rate is None else f"{rate:.6g}"),
            *((f"warning {each.code}", each.detail) for each in reply.warnings),
        ]

    def _variables(self) -> Variables:
        """Return the arrays by path; the slow rates of the signs may differ in their number."""
        _, arrays = self._parts()
        names = {path: path.split(".") for path in arrays}
        return {
            path: (_DIMS.get(names[path][-1], (f"mode_{names[path][-2]}",)), array) for path, array in arrays.items()
        }

    def _parts(self) -> Parts:
        return split(cast("Mapping[str, Tree]", self._document()))

    def _document(self) -> Mapping[str, object]:
        return self.reply.model_dump(by_alias=True)

    def _columns(self, names: Sequence[str]) -> Columns:
        """Return one row, with all numbers of the limits."""
        scalars = {name: getattr(self.reply, name) for name in _SCALARS}
        variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
            "lambda" if name == "lam" else name: ((), np.array(np.nan if value is None else value))
            for name, value in scalars.items()
        }
        variables |= self._variables()
        return columns({}, selected(names, variables, "table"), {})


def limits_from_document(document: Mapping[str, Tree]) -> Limits:
    """Build a result from a reply whose arrays are in their places."""
    return Limits(LimitsReply.model_validate(document))
