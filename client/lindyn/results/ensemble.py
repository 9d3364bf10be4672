"""Statistics over trajectories that differ in their seeds, as numpy arrays with their provenance."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lindyn._public import public
from lindyn.errors import UnknownNameError
from lindyn.results.files import Labelled, nested
from lindyn.results.io import Parts
from lindyn.results.labelled import ensemble_dataset, statistic_dims
from lindyn.results.labels import origin
from lindyn.results.named import Named
from lindyn.results.replied import Replied
from lindyn.results.table import Columns, columns, selected
from lindyn.wire.array import FloatArray
from lindyn.wire.ensemble import EnsembleReply
from lindyn.wire.tree import JSON
from lindyn.wire.wording import not_part_of

if TYPE_CHECKING:
    import xarray as xr

    from lindyn.results.ensemble_plots import EnsemblePlots

_STATISTICS = ("mean", "std", "quantiles", "standard_error")
_WIDE = "wide."


@public
@dataclass(frozen=True, repr=False, eq=False)
class Statistics:
    """Statistics of a quantity over the replicates that did not fail; NaN where there are too few values.

    Attributes:
        mean: (time, ...).
        std: standard deviation with the divisor n - 1, (time, ...).
        quantiles: (level, time, ...); that of level p is at position (n - 1) p of the sorted values, interpolated.
        standard_error: std / sqrt(n), (time, ...).
    """

    mean: FloatArray
    std: FloatArray
    quantiles: FloatArray
    standard_error: FloatArray

    def __repr__(self) -> str:
        return "<Statistics: " + ", ".join(f"{name} {array.shape}" for name, array in vars(self).items()) + ">"


@public
@dataclass(frozen=True, repr=False, eq=False)
class Ensemble(Replied, Labelled, Named):
    """Statistics over many trajectories; quantities are attributes, `e.loss.mean`, and arrays items, `e["loss.mean"]`.

    Attributes:
        times: (time,), in the unit of `reply.time_constant`.
        quantities: `Statistics` by the path of the quantity, such as `loss`, `alignment.input` or `weights.0`.
        wide: quantities of the limit of wide random layers by path, (time, ...); None where there is none.
        reply: the rest of the reply: key, seeds, levels of the quantiles, saddles, problems, warnings, version.
        cache: `hit`, `miss` or `coalesced`, as the service says; `file` for an ensemble that was loaded from a file.
    """

    times: FloatArray
    quantities: Mapping[str, Statistics]
    wide: Mapping[str, FloatArray] | None
    reply: EnsembleReply
    cache: str

    @property
    def plot(self) -> "EnsemblePlots":
        """Pictures, such as `e.plot.loss()`.

        Raises:
            MissingLibraryError: matplotlib is not installed.
        """
        from lindyn.results.ensemble_plots import EnsemblePlots  # noqa: PLC0415 (imports matplotlib)

        means = {path: found.mean for path, found in self.quantities.items()}
        quantiles = {path: found.quantiles for path, found in self.quantities.items()}
        return EnsemblePlots(self.times, means, quantiles, self.reply.quantiles, self.wide or {})

    def arrays(self) -> dict[str, FloatArray]:
        """Return all arrays by path, such as `loss.mean`, `loss.quantiles` and `wide.loss`."""
        arrays = {f"{path}.{name}": array for path, of in self.quantities.items() for name, array in vars(of).items()}
        return arrays | {f"{_WIDE}{path}": array for path, array in (self.wide or {}).items()}

    def to_xarray(self) -> "xr.Dataset":
        """Return a dataset with variables such as `loss.mean`; its attributes hold descriptions and the provenance.

        Raises:
            MissingLibraryError: xarray is not installed.
        """
        return ensemble_dataset(self.times, self.arrays(), self.reply, self.metadata)

    @property
    def metadata(self) -> dict[str, Any]:
        """The reply without its arrays, as a JSON document."""
        document = self.reply.model_dump(by_alias=True, exclude={"times", "quantities", "wide", "warnings"})
        return {**document, "warnings": [each.model_dump(exclude_none=True) for each in self.reply.warnings]}

    def __getitem__(self, name: str) -> FloatArray:
        """Return an array by its path, such as `loss.mean` or `alignment.input.quantiles`.

        Raises:
            UnknownNameError: the ensemble has no such array; this is also a KeyError.
        """
        arrays = self.arrays()
        if name not in arrays:
            raise UnknownNameError(not_part_of("ensemble", name, arrays))
        return arrays[name]

    def __getattr__(self, name: str) -> Statistics:
        """Return the statistics of a quantity without parts by its name."""
        quantities = self.__dict__.get("quantities", {})  # a copy is asked for attributes before it has any
        if name not in quantities:
            raise AttributeError(not_part_of("ensemble", name, quantities))
        return quantities[name]

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self.quantities]

    def __repr__(self) -> str:
        reply = self.reply
        widths = "-".join(map(str, reply.dims))
        methods = ", ".join(f"{count} {name}" for name, count in reply.methods.items())
        failed = f", {len(reply.problems)} failed" if reply.problems else ""
        warnings = "".join(f"\n  warning {each.code} of {each.replicates}: {each.detail}" for each in reply.warnings)
        return (
            f"<Ensemble {widths}, {reply.replicates} networks ({methods}{failed}), {len(self.times)} times "
            f"({origin(self.cache)})\n  quantities: {', '.join(self.quantities)}{warnings}>"
        )

    def _repr_html_(self) -> str:
        from lindyn.results.html import ensemble_html  # noqa: PLC0415 (needed in notebooks only)

        return ensemble_html(self.times, self.arrays(), self.reply, self.cache)

    def _parts(self) -> Parts:
        return self.metadata, {"times": self.times, **self.arrays()}

    def _document(self) -> Mapping[str, object]:
        statistics = {
            f"{path}.{name}": array for path, of in self.quantities.items() for name, array in vars(of).items()
        }
        wide = None if self.wide is None else nested(self.wide)
        return {**self.metadata, "times": self.times, "quantities": nested(statistics), "wide": wide}

    def _columns(self, names: Sequence[str]) -> Columns:
        chosen = selected(names, self.arrays(), "ensemble")
        variables = {path: (statistic_dims(path, array), array) for path, array in chosen.items()}
        return columns({"time": self.times}, variables, {"quantile": self.reply.quantiles})


def ensemble_from_parts(metadata: Mapping[str, JSON], arrays: Mapping[str, FloatArray], cache: str) -> Ensemble:
    """Build an ensemble from the JSON part of the reply and its arrays by path, `times` among them."""
    parts: dict[str, dict[str, FloatArray]] = {}
    wide: dict[str, FloatArray] = {}
    for path, array in arrays.items():
        quantity, _, statistic = path.rpartition(".")
        if path.startswith(_WIDE):
            wide[path.removeprefix(_WIDE)] = array
        elif statistic in _STATISTICS:
            parts.setdefault(quantity, {})[statistic] = array
    reply = EnsembleReply.model_validate({**metadata, "times": None, "quantities": {}, "wide": None})
    quantities = {path: Statistics(**found) for path, found in parts.items()}
    return Ensemble(arrays["times"], quantities, wide or None, reply, cache)
