"""Results with labels: xarray datasets and pandas frames."""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# (pandas and axes of any type)

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from lindyn.results.labels import TIME, Label, label
from lindyn.results.optional import library
from lindyn.results.sweep import COORDINATES, DATA, TIMES, SweepResult, parts, warned_points
from lindyn.results.trajectory import Trajectory
from lindyn.wire.array import FloatArray
from lindyn.wire.dimensions import dimensions

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

PROVENANCE = "lindyn"
"""The attribute that holds an answer without its arrays, as JSON; `paths` says which variables are these."""

POINT_TIMES = "point_times"
"""The name of the times of points beside an axis that is called `times`."""


def trajectory_dataset(trajectory: Trajectory) -> "xr.Dataset":
    """Label a trajectory; the modes of the task get a coordinate with their target values."""
    xarray = library("xarray", "to_xarray")
    arrays = trajectory.arrays()
    variables = {
        path: (dimensions(path, array.ndim), array, _attributes(label(path))) for path, array in arrays.items()
    }
    coordinates: dict[str, Any] = {"time": ("time", trajectory.times, _attributes(TIME))}
    targets = trajectory.targets("singular_values")
    if any("mode" in dims and array.shape[1] == len(targets) for dims, array, _ in variables.values()):
        coordinates["target"] = ("mode", targets, _attributes(Label("singular value of the best network function")))
    paths = {"time": "times", **{path: path for path in arrays}}
    reply = trajectory.reply
    attributes = {
        "title": f"learning of a {'-'.join(map(str, reply.dims))} linear network",
        "source": f"lindyn {reply.version}",
        **{
            name: _attribute(value)
            for name, value in trajectory.metadata.items()
            if isinstance(value, str | int | float)
        },
        PROVENANCE: json.dumps({**trajectory.metadata, "paths": paths}),
    }
    return xarray.Dataset(variables, coordinates, attributes)


def trajectory_frame(trajectory: Trajectory) -> "pd.DataFrame":
    """Columns over time."""
    pandas = library("pandas", "to_dataframe")
    columns = {path: array for path, array in trajectory.arrays().items() if array.ndim == 1}
    return pandas.DataFrame(columns, index=pandas.Index(trajectory.times, name="time"))


def sweep_dataset(result: SweepResult) -> "xr.Dataset":
    """Label the result of a job."""
    xarray = library("xarray", "to_xarray")
    variables = {
        _named(result, name): (dims, result.data[name], _attributes(label(name))) for name, dims in result.dims.items()
    }
    used = {dim for dims in result.dims.values() for dim in dims}
    coordinates = {
        name: (name, _labels(values), _attributes(label(name)))
        for name, values in result.coordinates.items()
        if name in used
    }
    metadata, arrays = parts(result)
    places = {name: f"{COORDINATES}{name}" for name in coordinates}
    places |= {_named(result, name): f"{DATA}{name}" for name in result.dims}
    paths = {name: path for name, path in places.items() if path in arrays}
    unused = {name: values for name, values in result.coordinates.items() if name not in paths}
    metadata["coordinates"] |= {
        name: values.tolist() if isinstance(values, np.ndarray) else values for name, values in unused.items()
    }
    attributes = {
        "title": f"result of {result.metadata['kind']}",
        "source": f"lindyn {result.metadata['version']}",
        "failed_points": len(result.problems),
        "warnings": ", ".join(f"{code} at {count} points" for code, count in warned_points(result).items()),
        PROVENANCE: json.dumps({**metadata, "paths": paths}),
    }
    return xarray.Dataset(variables, coordinates, attributes)


def sweep_frame(result: SweepResult) -> "pd.DataFrame":
    """One row for each point of the grid, or for each time of each point where there is nothing else."""
    pandas = library("pandas", "to_dataframe")
    axes = next(iter(sorted((dims for name, dims in result.dims.items() if name != TIMES), key=len)), ())
    lengths = [len(_values(result, axis)) for axis in axes]
    index = pandas.MultiIndex.from_product([_labels(_values(result, axis)) for axis in axes], names=axes)
    columns = {name: result.data[name].ravel() for name, dims in result.dims.items() if dims == axes and name != TIMES}
    if TIMES in result.dims and "time" in axes:
        along = [n if axis in result.dims[TIMES] else 1 for axis, n in zip(axes, lengths, strict=True)]
        columns[_named(result, TIMES)] = np.broadcast_to(result.data[TIMES].reshape(along), lengths).ravel()
    return pandas.DataFrame(columns, index=index).reset_index()


def _named(result: SweepResult, name: str) -> str:
    """What an array is called beside the axes."""
    return POINT_TIMES if name == TIMES and TIMES in result.coordinates else name


def _values(result: SweepResult, axis: str) -> Any:  # noqa: ANN401 (values of any type)
    if axis in result.coordinates:
        return result.coordinates[axis]
    name, dims = next((name, dims) for name, dims in result.dims.items() if axis in dims)
    return np.arange(result.data[name].shape[dims.index(axis)])


def _labels(values: Any) -> FloatArray | list[str]:  # noqa: ANN401 (values of any type)
    """Values that can label a dimension: numbers, or anything else as text."""
    if isinstance(values, np.ndarray):
        return values
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


def _attribute(value: str | float) -> str | float:
    """Whole numbers as text: seeds have up to 53 bits, and netCDF 3 has integers of 32."""
    return str(value) if isinstance(value, int) else value


def _attributes(of: Label) -> dict[str, str]:
    return {"long_name": of.words, "units": of.units}
