"""Values of a parameter at which a scalar meets a target, with their provenance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict, cast

import numpy as np

from lindyn._public import public
from lindyn.results.files import Labelled
from lindyn.results.io import Parts
from lindyn.results.labelled import design_dataset
from lindyn.results.replied import Replied
from lindyn.results.table import Columns, selected
from lindyn.wire.array import FloatArray
from lindyn.wire.design import DesignReply
from lindyn.wire.tree import Tree, split

if TYPE_CHECKING:
    import xarray as xr

    from lindyn.results.design_plots import DesignPlots


class Solution(TypedDict):
    """A value of the parameter, and the scalar that is reached there."""

    value: float
    reached: float


@public
@dataclass(frozen=True, repr=False, eq=False)
class Design(Replied, Labelled):
    """All values of a parameter at which a scalar meets a target: `found.values`.

    Attributes:
        reply: the whole reply: path and bounds of the parameter, scalar, target, seeds, warnings, version.
    """

    reply: DesignReply

    @property
    def solutions(self) -> list[Solution]:
        """The `value` of the parameter and the scalar `reached` there, in ascending order of the values."""
        return [{"value": each.value, "reached": each.reached} for each in self.reply.solutions]

    @property
    def values(self) -> FloatArray:
        """Values of the parameter at which the target is met, (solution,), ascending."""
        return np.array([each.value for each in self.reply.solutions])

    @property
    def range(self) -> list[float]:
        """The smallest and the largest scalar that was found within the bounds."""
        return self.reply.range

    @property
    def curve(self) -> tuple[FloatArray, FloatArray]:
        """All values of the parameter that were computed, (run,), ascending, and the scalar there, NaN for none."""
        curve = self.reply.curve
        return cast("FloatArray", curve.value), cast("FloatArray", curve.reached)

    @property
    def plot(self) -> "DesignPlots":
        """Pictures: `found.plot()` draws the scalar over the parameter.

        Raises:
            MissingLibraryError: matplotlib is not installed.
        """
        from lindyn.results.design_plots import DesignPlots  # noqa: PLC0415 (imports matplotlib)

        return DesignPlots(self.reply)

    def to_xarray(self) -> "xr.Dataset":
        """Return a dataset with the scalar along the parameter, each under its name.

        Raises:
            MissingLibraryError: xarray is not installed.
        """
        return design_dataset(self.reply.path, self.reply.scalar, self.curve, self._parts()[0])

    def __repr__(self) -> str:
        return f"<Design of {self.reply.path}" + "".join(f"\n  {name}: {text}" for name, text in self._rows()) + ">"

    def _repr_html_(self) -> str:
        from lindyn.results.html import card  # noqa: PLC0415 (needed in notebooks only)

        computed = f"lindyn {self.version}, key {self.reply.key[:12]}…"
        return card("Design", [*self._rows(), ("computed by", computed)])

    def _rows(self) -> list[tuple[str, str]]:
        """Return the target, the solutions, and the warnings."""
        reply = self.reply
        (low, high), (least, most) = reply.bounds, reply.range
        solutions = ", ".join(f"{each.value:.6g}" for each in reply.solutions)
        return [
            ("target", f"{reply.scalar} = {reply.target:g} for {reply.path} from {low:g} to {high:g}"),
            ("met at", f"{reply.path} = {solutions}"),
            ("found", f"{reply.scalar} from {least:.6g} to {most:.6g} in {reply.evaluations} runs"),
            *((f"warning {each.code}", each.detail) for each in reply.warnings),
        ]

    def _parts(self) -> Parts:
        return split(cast("Mapping[str, Tree]", self._document()))

    def _document(self) -> Mapping[str, object]:
        document = self.reply.model_dump(by_alias=True, exclude={"warnings"})
        return {**document, "warnings": [each.model_dump(exclude_none=True) for each in self.reply.warnings]}

    def _columns(self, names: Sequence[str]) -> Columns:
        """Return a row for each run, and whether it is a solution."""
        values, reached = self.curve
        whole: Columns = {self.reply.path: values, self.reply.scalar: reached, "solution": np.isin(values, self.values)}
        return selected(names, whole, "table")


def design_from_document(document: Mapping[str, Tree]) -> Design:
    """Build a result from a reply whose arrays are in their places."""
    return Design(DesignReply.model_validate(document))
