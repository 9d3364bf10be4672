"""Results of sweeps and experiments: arrays over a grid, with named dimensions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lindyn._public import public
from lindyn.errors import UnknownNameError
from lindyn.results.files import Labelled
from lindyn.results.grid import FailedPoint, Grid, WarnedPoints, as_coordinate, count_warned_points
from lindyn.results.io import Parts
from lindyn.results.labelled import sweep_columns, sweep_dataset
from lindyn.results.named import Named
from lindyn.results.table import Columns
from lindyn.wire.array import FloatArray
from lindyn.wire.tree import JSON
from lindyn.wire.wording import not_part_of

if TYPE_CHECKING:
    import xarray as xr

    from lindyn.results.sweep_plots import SweepPlots

COORDINATES, DATA = "coordinates.", "data."


@public
@dataclass(frozen=True, repr=False, eq=False)
class SweepResult(Labelled, Named):
    """Labelled arrays: `r.final_loss`, or `r["final_loss"]`, has one dimension for each name in `r.dims["final_loss"]`.

    Attributes:
        coordinates: values along the dimensions, by the name of the dimension.
        dims: names of the dimensions of each array.
        data: arrays by name; NaN where a point could not be computed. If points do not share their times, for instance
            because their learning rates differ, `times` is an array here; else it is the coordinate `time`.
        problems: the points that could not be computed, each with its `index` along each axis, a code and a detail.
        warnings: warnings about other points, each with a code, a detail and the `indices` of these points.
        metadata: the rest of the reply: the request with its drawn seeds, the kind of job, the version.
    """

    coordinates: Mapping[str, Any]
    dims: Mapping[str, tuple[str, ...]]
    data: Mapping[str, FloatArray]
    problems: Sequence[FailedPoint]
    warnings: Sequence[WarnedPoints]
    metadata: Mapping[str, JSON]

    @property
    def version(self) -> str:
        """Version of the service."""
        return cast("str", self.metadata["version"])

    @property
    def plot(self) -> "SweepPlots":
        """Pictures, such as `r.plot.heatmap("final_loss")`.

        Raises:
            MissingLibraryError: matplotlib is not installed.
        """
        from lindyn.results.sweep_plots import SweepPlots  # noqa: PLC0415 (imports matplotlib)

        return SweepPlots(self._grid())

    def to_xarray(self) -> "xr.Dataset":
        """Return a dataset with named dimensions; its attributes hold descriptions, units and the provenance.

        Raises:
            MissingLibraryError: xarray is not installed.
        """
        return sweep_dataset(self._grid(), self._parts()[0], count_warned_points(self.warnings))

    def __getitem__(self, name: str) -> FloatArray:
        """Return an array by its name.

        Raises:
            UnknownNameError: the result has no such array; this is also a KeyError.
        """
        if name not in self.data:
            raise UnknownNameError(not_part_of("result", name, self.data))
        return self.data[name]

    def __getattr__(self, name: str) -> FloatArray:
        """Return an array by its name, which an experiment may choose freely."""
        data = self.__dict__.get("data", {})  # copying looks up attributes before any is set
        if name not in data:
            raise AttributeError(not_part_of("result", name, data))
        return data[name]

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self.data]

    def __repr__(self) -> str:
        lines = [f"  {name}: {' x '.join(dims)} {self.data[name].shape}" for name, dims in self.dims.items()]
        counts = count_warned_points(self.warnings)
        lines += [f"  warning {code} at {count} points" for code, count in counts.items()]
        failed = f", {len(self.problems)} points failed" if self.problems else ""
        return f"<SweepResult of {self.metadata['kind']}{failed}\n" + "\n".join(lines) + ">"

    def _repr_html_(self) -> str:
        from lindyn.results.html import sweep_html  # noqa: PLC0415 (needed in notebooks only)

        return sweep_html(self._grid(), self.problems, self.warnings, self.metadata)

    def _grid(self) -> Grid:
        return Grid(self.coordinates, self.dims, self.data)

    def _parts(self) -> Parts:
        """Return the JSON part and the arrays by path, the inverse of `sweep_result_from_parts`."""
        vectors = {name: values for name, values in self._grid().coordinates.items() if isinstance(values, np.ndarray)}
        metadata: dict[str, JSON] = {
            **self.metadata,
            "coordinates": {name: values for name, values in self.coordinates.items() if name not in vectors},
            "dims": {name: list(dims) for name, dims in self.dims.items()},
            "problems": cast("list[JSON]", list(self.problems)),
            "warnings": cast("list[JSON]", list(self.warnings)),
        }
        arrays = {f"{COORDINATES}{name}": values for name, values in vectors.items()}
        return metadata, arrays | {f"{DATA}{name}": values for name, values in self.data.items()}

    def _document(self) -> Mapping[str, object]:
        data = {name: {"dims": dims, "values": self.data[name]} for name, dims in self.dims.items()}
        rest = {"coordinates": self.coordinates, "problems": self.problems, "warnings": self.warnings}
        return {**self.metadata, "data": data, **rest}

    def _columns(self, names: Sequence[str]) -> Columns:
        return sweep_columns(self._grid(), names)


def sweep_result_from_parts(metadata: Mapping[str, JSON], arrays: Mapping[str, FloatArray]) -> SweepResult:
    """Build a result from the JSON part of the reply and its arrays by path."""
    rest = dict(metadata)
    lists = cast("Mapping[str, Sequence[JSON]]", rest.pop("coordinates"))
    coordinates = {name: as_coordinate(values) for name, values in lists.items()}  # netCDF has those of no array here
    dims = cast("Mapping[str, list[str]]", rest.pop("dims"))
    for path, array in arrays.items():
        if path.startswith(COORDINATES):
            coordinates[path.removeprefix(COORDINATES)] = array
    return SweepResult(
        coordinates=coordinates,
        dims={name: tuple(names) for name, names in dims.items()},
        data={name: arrays[f"{DATA}{name}"] for name in dims},
        problems=cast("list[FailedPoint]", rest.pop("problems")),
        warnings=cast("list[WarnedPoints]", rest.pop("warnings", [])),  # files of the first versions have none
        metadata=rest,
    )
