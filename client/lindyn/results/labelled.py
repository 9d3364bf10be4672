"""Labelled views of results: xarray datasets, and columns of tables."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from lindyn.results.grid import Coordinate, Grid
from lindyn.results.labels import TIME, Label, label
from lindyn.results.optional import library
from lindyn.results.table import Columns, Variables, columns, labels
from lindyn.wire.array import FloatArray
from lindyn.wire.dimensions import dimensions
from lindyn.wire.ensemble import EnsembleReply
from lindyn.wire.trajectory import TrajectoryReply
from lindyn.wire.tree import JSON

if TYPE_CHECKING:
    import xarray as xr

PROVENANCE = "lindyn"
"""The attribute with the JSON part of a result; its field `paths` maps variables to the paths of the arrays."""

_TIMES = "times"
"""The array of times, where points do not share them."""

_POINT_TIMES = "point_times"
"""The name of that array in a table that has an axis named `times`."""


def trajectory_dataset(
    times: FloatArray, arrays: Mapping[str, FloatArray], reply: TrajectoryReply, metadata: Mapping[str, JSON]
) -> "xr.Dataset":
    """Label a trajectory; modes get a coordinate with the singular values of the best network function."""
    xarray = library("xarray", "to_xarray")
    variables = {
        path: (dimensions(path, array.ndim), array, _attributes(label(path))) for path, array in arrays.items()
    }
    coordinates = {"time": ("time", times, _attributes(TIME))}
    targets = reply.targets("singular_values")
    if any("mode" in dims and array.shape[1] == len(targets) for dims, array, _ in variables.values()):
        coordinates["target"] = ("mode", targets, _attributes(Label("singular value of the best network function")))
    paths = {"time": "times", **{path: path for path in arrays}}
    attributes = {
        "title": f"learning of a {'-'.join(map(str, reply.dims))} linear network",
        "source": f"lindyn {reply.version}",
        **{name: _attribute(value) for name, value in metadata.items() if isinstance(value, str | int | float)},
        PROVENANCE: json.dumps({**metadata, "paths": paths}),
    }
    return xarray.Dataset(variables, coordinates, attributes)


def ensemble_dataset(
    times: FloatArray, arrays: Mapping[str, FloatArray], reply: EnsembleReply, metadata: Mapping[str, JSON]
) -> "xr.Dataset":
    """Label the statistics of an ensemble, such as `loss.mean`; those of quantiles have the dimension `quantile`."""
    xarray = library("xarray", "to_xarray")
    variables = {path: (statistic_dims(path, array), array, _attributes(label(path))) for path, array in arrays.items()}
    attributes = {
        "title": f"learning of {reply.replicates} {'-'.join(map(str, reply.dims))} linear networks",
        "source": f"lindyn {reply.version}",
        "key": reply.key,
        PROVENANCE: json.dumps({**metadata, "paths": {"time": "times", **{path: path for path in arrays}}}),
    }
    coordinates = {"time": ("time", times, _attributes(TIME)), "quantile": ("quantile", reply.quantiles)}
    return xarray.Dataset(variables, coordinates, attributes)


def statistic_dims(path: str, array: FloatArray) -> tuple[str, ...]:
    """Return the names of the dimensions of a statistic of an ensemble, or of the limit of wide layers."""
    quantity, _, statistic = path.rpartition(".")
    if path.startswith("wide."):
        return dimensions(path.removeprefix("wide."), array.ndim)
    if statistic == "quantiles":
        return ("quantile", *dimensions(quantity, array.ndim - 1))
    return dimensions(quantity, array.ndim)


def reply_dataset(
    title: str,
    variables: Variables,
    times: FloatArray | None,
    metadata: Mapping[str, JSON],
    stored: Iterable[str] | None = None,
) -> "xr.Dataset":
    """Label the arrays of another reply, whose names are their paths.

    Args:
        title: of the dataset.
        variables: dimensions and values by path.
        times: the coordinate of the dimension `time`, or None.
        metadata: the JSON part of the reply.
        stored: paths of the variables that are not in the JSON part; by default all.
    """
    xarray = library("xarray", "to_xarray")
    labelled = {name: (dims, array, _attributes(label(name))) for name, (dims, array) in variables.items()}
    coordinates = {} if times is None else {"time": ("time", times, _attributes(TIME))}
    paths = {} if times is None else {"time": "times"}
    paths |= {name: name for name in (variables if stored is None else stored)}
    attributes = {
        "title": title,
        "source": f"lindyn {metadata['version']}",
        "key": metadata["key"],
        PROVENANCE: json.dumps({**metadata, "paths": paths}),
    }
    return xarray.Dataset(labelled, coordinates, attributes)


def design_dataset(
    path: str, scalar: str, curve: tuple[FloatArray, FloatArray], metadata: Mapping[str, JSON]
) -> "xr.Dataset":
    """Label the curve of a design: the scalar along the parameter."""
    xarray = library("xarray", "to_xarray")
    values, reached = curve
    attributes = {
        "title": f"{scalar} over {path}",
        "source": f"lindyn {metadata['version']}",
        "key": metadata["key"],
        PROVENANCE: json.dumps({**metadata, "paths": {path: "curve.value", scalar: "curve.reached"}}),
    }
    variables = {scalar: (path, reached, _attributes(label(scalar)))}
    return xarray.Dataset(variables, {path: (path, values, _attributes(label(path)))}, attributes)


def comparison_dataset(
    times: FloatArray, losses: Mapping[str, FloatArray], seeds: Sequence[int | None], metadata: Mapping[str, JSON]
) -> "xr.Dataset":
    """Label the losses of a comparison, which have the coordinate `seed` unless the weights were given."""
    xarray = library("xarray", "to_xarray")
    variables = {path: (("seed", "time"), array, _attributes(label("loss"))) for path, array in losses.items()}
    attributes = {
        "title": "losses of theory and of training",
        "source": f"lindyn {metadata['version']}",
        PROVENANCE: json.dumps({**metadata, "paths": {"time": "times", **{path: path for path in losses}}}),
    }
    coordinates: dict[str, object] = {"time": ("time", times, _attributes(TIME))}
    if None not in seeds:
        coordinates["seed"] = ("seed", list(seeds))
    return xarray.Dataset(variables, coordinates, attributes)


def sweep_dataset(grid: Grid, metadata: Mapping[str, JSON], warned_points: Mapping[str, int]) -> "xr.Dataset":
    """Label the result of a job.

    Args:
        grid: the arrays with their dimensions and coordinates.
        metadata: the JSON part of the result, as in its archive.
        warned_points: number of points that have a warning, by its code.
    """
    xarray = library("xarray", "to_xarray")
    variables = {
        _variable(grid, name): (dims, grid.data[name], _attributes(label(name))) for name, dims in grid.dims.items()
    }
    used_dims = {dim for dims in grid.dims.values() for dim in dims}
    coordinates = {
        name: (name, labels(values), _attributes(label(name)))
        for name, values in grid.coordinates.items()
        if name in used_dims
    }
    paths = {name: f"coordinates.{name}" for name in coordinates if isinstance(grid.coordinates[name], np.ndarray)}
    paths |= {_variable(grid, name): f"data.{name}" for name in grid.dims}
    others = {name: _as_list(values) for name, values in grid.coordinates.items() if name not in paths}
    attributes = {
        "title": f"result of {metadata['kind']}",
        "source": f"lindyn {metadata['version']}",
        "failed_points": len(cast("list[JSON]", metadata["problems"])),
        "warnings": ", ".join(f"{code} at {count} points" for code, count in warned_points.items()),
        PROVENANCE: json.dumps({**metadata, "coordinates": others, "paths": paths}),
    }
    return xarray.Dataset(variables, coordinates, attributes)


def sweep_columns(grid: Grid, names: Sequence[str]) -> Columns:
    """Return a table with a row for each point of the grid, or for each time of each point if arrays depend on time."""
    chosen = {name: grid.dims_of(name) for name in (names or grid.dims)}
    used = dict.fromkeys(dim for dims in sorted(chosen.values(), key=len, reverse=True) for dim in dims)
    rows = {dim: grid.values(dim) for dim in used if dim in grid.coordinates or dim == "time"}
    if _TIMES in grid.dims and "time" in rows:
        chosen[_TIMES] = grid.dims[_TIMES]
        rows |= {dim: grid.values(dim) for dim in grid.dims[_TIMES]}
    variables = {_variable(grid, name): (dims, grid.data[name]) for name, dims in chosen.items()}
    return columns(rows, variables, {})


def _variable(grid: Grid, name: str) -> str:
    """Return the name of an array in a table, which must differ from the names of the axes."""
    return _POINT_TIMES if name == _TIMES and _TIMES in grid.coordinates else name


def _as_list(values: Coordinate) -> list[object]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def _attribute(value: str | float) -> str | float:
    """Write integers as text, because seeds have up to 53 bits and integers of netCDF 3 have 32."""
    return str(value) if isinstance(value, int) else value


def _attributes(of: Label) -> dict[str, str]:
    return {"long_name": of.words, "units": of.units}
