"""How far training of real networks is from theory, over several seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from lindyn._public import public
from lindyn.errors import UnknownNameError
from lindyn.results.files import Labelled
from lindyn.results.io import Parts
from lindyn.results.labelled import comparison_dataset
from lindyn.results.labels import COMPARED, THEORY
from lindyn.results.table import Columns, columns, selected
from lindyn.wire.array import FloatArray
from lindyn.wire.ensemble import EnsembleWarning
from lindyn.wire.tree import JSON
from lindyn.wire.wording import not_part_of

if TYPE_CHECKING:
    import xarray as xr

    from lindyn.results.comparison_plots import ComparisonPlots

COMPARISON = "comparison"
"""Kind of the files."""

_LOSSES = "losses."


@public
@dataclass(frozen=True, repr=False, eq=False)
class Comparison(Labelled):
    """Losses of theory and of training from the same weights, over several seeds.

    Attributes:
        times: (time,), learning rate times number of steps.
        losses: (seed, time) each: `theory`, the gradient flow; `linear`, `relu` and `tanh`, gradient descent of
            networks with these activations; `corrected`, the flow that linear training with this learning rate follows
            to second order.
        seeds: seeds of the networks; None for given weights.
        learning_rate: of training.
        method: of theory.
        version: of the service.
        warnings: of theory and of training, each with the number of runs that have it.
    """

    times: FloatArray
    losses: Mapping[str, FloatArray]
    seeds: Sequence[int | None]
    learning_rate: float
    method: str
    version: str
    warnings: Sequence[EnsembleWarning] = ()

    def deviations(self, name: str) -> FloatArray:
        """Return the largest distance of the loss from theory over the times, over the initial loss, (seed,).

        Raises:
            UnknownNameError: there is no such curve; this is also a KeyError.
        """
        if name not in self.losses:
            raise UnknownNameError(not_part_of("comparison", name, self.losses))
        theory = self.losses[THEORY]
        return np.max(np.abs(self.losses[name] - theory), axis=1) / theory[:, 0]

    def deviation(self, name: str) -> tuple[float, float]:
        """Return the mean of the deviations over the seeds and its standard error, which is NaN for one seed."""
        found = self.deviations(name)
        error = float(np.std(found, ddof=1) / np.sqrt(len(found))) if len(found) > 1 else float("nan")
        return float(np.mean(found)), error

    def words(self, name: str = "relu") -> str:
        """Say in one line how far training is from theory."""
        mean, error = self.deviation(name)
        seeds = "1 network" if len(self.seeds) == 1 else f"mean of {len(self.seeds)} seeds"
        spread = "" if np.isnan(error) else f" ± {100 * error:.2g} %"
        what = "theory corrected for" if name == "corrected" else f"{COMPARED[name]} with"
        return (
            f"{what} learning rate {self.learning_rate:g} is at most {100 * mean:.3g} %{spread} of the initial loss "
            f"away from theory ({seeds})"
        )

    @property
    def plot(self) -> "ComparisonPlots":
        """Pictures: `r.plot()` draws all curves, `r.plot("relu")` theory and this one.

        Raises:
            MissingLibraryError: matplotlib is not installed.
        """
        from lindyn.results.comparison_plots import ComparisonPlots  # noqa: PLC0415 (imports matplotlib)

        return ComparisonPlots(self.times, self.losses)

    def to_xarray(self) -> "xr.Dataset":
        """Return a dataset with the dimensions `seed` and `time`, whose variables have names such as `losses.relu`.

        Raises:
            MissingLibraryError: xarray is not installed.
        """
        metadata, arrays = self._parts()
        del arrays["times"]
        return comparison_dataset(self.times, arrays, self.seeds, metadata)

    def __repr__(self) -> str:
        lines = "".join(f"\n  {self.words(name)}" for name in self.losses if name != THEORY)
        warnings = "".join(f"\n  {name}: {text}" for name, text in self._warned())
        return f"<Comparison at {len(self.times)} times, theory by method {self.method}{lines}{warnings}>"

    def _repr_html_(self) -> str:
        from lindyn.results.html import card  # noqa: PLC0415 (needed in notebooks only)

        rows = [(COMPARED[name], self.words(name)) for name in self.losses if name != THEORY]
        times = f"{len(self.times)} from {self.times[0]:g} to {self.times[-1]:g}"
        rows = [("theory", f"method {self.method}"), ("times", times), *rows, *self._warned()]
        return card("Comparison", [*rows, ("computed by", f"lindyn {self.version}")])

    def _warned(self) -> list[tuple[str, str]]:
        return [(f"warning {each.code} of {each.replicates} runs", each.detail) for each in self.warnings]

    def _parts(self) -> Parts:
        metadata: dict[str, JSON] = {"kind": COMPARISON, "seeds": list(self.seeds), "method": self.method}
        metadata |= {"learning_rate": self.learning_rate, "version": self.version}
        metadata["warnings"] = [each.model_dump(exclude_none=True) for each in self.warnings]
        return metadata, {"times": self.times, **{f"{_LOSSES}{name}": each for name, each in self.losses.items()}}

    def _document(self) -> Mapping[str, object]:
        return {**self._parts()[0], "times": self.times, "losses": self.losses}

    def _columns(self, names: Sequence[str]) -> Columns:
        """Return a row for each time of each seed; given weights have no column of seeds."""
        chosen = selected(names, self.losses, "comparison")
        if None in self.seeds:
            return columns({"time": self.times}, {name: (("time",), each[0]) for name, each in chosen.items()}, {})
        rows = {"seed": np.array(self.seeds), "time": self.times}
        return columns(rows, {name: (("seed", "time"), each) for name, each in chosen.items()}, {})


def comparison_from_parts(metadata: Mapping[str, JSON], arrays: Mapping[str, FloatArray]) -> Comparison:
    """Build a comparison from the JSON part of a file and its arrays by path."""
    losses = {path.removeprefix(_LOSSES): array for path, array in arrays.items() if path.startswith(_LOSSES)}
    seeds = cast("Sequence[int | None]", metadata["seeds"])
    rate, method, version = (metadata[name] for name in ("learning_rate", "method", "version"))
    warnings = [EnsembleWarning.model_validate(each) for each in cast("Sequence[JSON]", metadata.get("warnings", ()))]
    rate, method, version = cast("float", rate), cast("str", method), cast("str", version)
    return Comparison(arrays["times"], losses, seeds, rate, method, version, warnings)
