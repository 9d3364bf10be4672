"""Results of sweeps and experiments: arrays over a grid, with names."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# (axes of any type)

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np

from lindyn.errors import UnknownNameError
from lindyn.results.decode import is_json, unpack
from lindyn.wire.array import FloatArray
from lindyn.wire.job import TableReply
from lindyn.wire.wording import not_part_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from lindyn.results.plots import SweepPlots

COORDINATES, DATA = "coordinates.", "data."
TIMES = "times"
"""The array of the times of points that do not share them."""


@dataclass(frozen=True, repr=False, eq=False)
class SweepResult:
    """Labelled arrays: `r.final_loss`, or `r["final_loss"]`, has one dimension for each name in `r.dims["final_loss"]`.

    Attributes:
        coordinates: values along the dimensions, by their names.
        dims: names of the dimensions of each array.
        data: arrays by name; NaN where a point could not be computed. `times` is among them where points have times of
            their own, such as those of steps of different learning rates; else these are the coordinate `time`.
        problems: those points, with their place along each axis, a code and a detail.
        warnings: what one should know of other points, with a code, a detail and the places of all that have it,
            `indices`.
        metadata: what else the service says: the request with drawn seeds, the kind of job, the version.
    """

    coordinates: Mapping[str, Any]
    dims: Mapping[str, tuple[str, ...]]
    data: Mapping[str, FloatArray]
    problems: Sequence[Mapping[str, Any]]
    warnings: Sequence[Mapping[str, Any]]
    metadata: Mapping[str, Any]

    @property
    def plot(self) -> "SweepPlots":
        """Pictures, such as `r.plot.heatmap("final_loss")`.

        Raises:
            MissingLibraryError: matplotlib is not installed.
        """
        from lindyn.results.plots import SweepPlots  # noqa: PLC0415 (loads matplotlib)

        return SweepPlots(self)

    def to_xarray(self) -> "xr.Dataset":
        """The same with labels, descriptions, units and where it comes from.

        Raises:
            MissingLibraryError: xarray is not installed.
        """
        from lindyn.results.labelled import sweep_dataset  # noqa: PLC0415 (loads xarray)

        return sweep_dataset(self)

    def to_dataframe(self) -> "pd.DataFrame":
        """One row for each point of the grid, one column for each array that is one number at each point.

        Raises:
            MissingLibraryError: pandas is not installed.
        """
        from lindyn.results.labelled import sweep_frame  # noqa: PLC0415 (loads pandas)

        return sweep_frame(self)

    def save(self, path: str | Path) -> Path:
        """Write everything to a file that `lindyn.load` reads, `.npz` or `.nc` (netCDF)."""
        from lindyn.results.io import save  # noqa: PLC0415 (it imports this module)

        return save(self, path)

    def __getitem__(self, name: str) -> FloatArray:
        """Return an array by its name.

        Raises:
            UnknownNameError: there is none of this name; also a KeyError.
        """
        if name not in self.data:
            raise UnknownNameError(not_part_of("result", name, self.data))
        return self.data[name]

    def __getattr__(self, name: str) -> FloatArray:
        """Return an array by its name."""
        try:
            return self.__dict__["data"][name]
        except KeyError:
            raise AttributeError(not_part_of("result", name, self.__dict__.get("data", ()))) from None

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self.data]

    def __repr__(self) -> str:
        lines = [f"  {name}: {' x '.join(dims)} {self.data[name].shape}" for name, dims in self.dims.items()]
        lines += [f"  warning {code} at {count} points" for code, count in warned_points(self).items()]
        failed = f", {len(self.problems)} points failed" if self.problems else ""
        return f"<SweepResult of {self.metadata['kind']}{failed}\n" + "\n".join(lines) + ">"

    def _repr_html_(self) -> str:
        from lindyn.results.html import sweep_html  # noqa: PLC0415 (notebooks only)

        return sweep_html(self)


def warned_points(result: SweepResult) -> dict[str, int]:
    """How many points have warnings of each code."""
    places: dict[str, set[tuple[int, ...]]] = {}
    for warned in result.warnings:
        places.setdefault(warned["code"], set()).update(map(tuple, warned["indices"]))
    return {code: len(found) for code, found in places.items()}


def read_sweep_result(response: httpx.Response) -> SweepResult:
    """Read the result of a job."""
    if is_json(response):
        return _from_json(TableReply.model_validate_json(response.content))
    return sweep_result(*unpack(response.content))


def sweep_result(metadata: dict[str, Any], arrays: Mapping[str, FloatArray]) -> SweepResult:
    """Build a result from its JSON part and its arrays by path."""
    rest = dict(metadata)
    coordinates: dict[str, Any] = dict(rest.pop("coordinates"))
    dims: dict[str, list[str]] = rest.pop("dims")
    problems: list[dict[str, Any]] = rest.pop("problems")
    warnings: list[dict[str, Any]] = rest.pop("warnings", [])  # which files of earlier versions do not have
    for path, array in arrays.items():
        if path.startswith(COORDINATES):
            coordinates[path.removeprefix(COORDINATES)] = array
    return SweepResult(
        coordinates=coordinates,
        dims={name: tuple(labels) for name, labels in dims.items()},
        data={name: arrays[f"{DATA}{name}"] for name in dims},
        problems=problems,
        warnings=warnings,
        metadata=rest,
    )


def parts(result: SweepResult) -> tuple[dict[str, Any], dict[str, FloatArray]]:
    """The JSON part and the arrays by path, as `sweep_result` takes them."""
    vectors = {name: values for name, values in result.coordinates.items() if isinstance(values, np.ndarray)}
    metadata = {
        **result.metadata,
        "coordinates": {name: values for name, values in result.coordinates.items() if name not in vectors},
        "dims": {name: list(dims) for name, dims in result.dims.items()},
        "problems": list(result.problems),
        "warnings": list(result.warnings),
    }
    arrays = {f"{COORDINATES}{name}": values for name, values in vectors.items()}
    return metadata, arrays | {f"{DATA}{name}": values for name, values in result.data.items()}


def _from_json(reply: TableReply) -> SweepResult:
    return SweepResult(
        coordinates={name: _vector(values) for name, values in reply.coordinates.items()},
        dims={name: tuple(variable.dims) for name, variable in reply.data.items()},
        data={name: np.array(variable.values, dtype=np.float64) for name, variable in reply.data.items()},
        problems=[problem.model_dump() for problem in reply.problems],
        warnings=[warned.model_dump() for warned in reply.warnings],
        metadata=reply.model_dump(exclude={"coordinates", "data", "problems", "warnings"}),
    )


def _vector(values: list[Any]) -> Any:  # noqa: ANN401 (numbers, or anything else that an axis may take)
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return np.array(values, dtype=np.float64) if numbers else values
