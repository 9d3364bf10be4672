"""Results in files: npz as they travel, or netCDF for xarray and everything else that reads it."""

# pyright: reportUnknownMemberType=false
# (xarray's types are incomplete)

import json
from pathlib import Path
from typing import Any

from lindyn.results.decode import unpack
from lindyn.results.labelled import PROVENANCE
from lindyn.results.optional import library
from lindyn.results.sweep import SweepResult, parts, sweep_result
from lindyn.results.trajectory import Trajectory, trajectory
from lindyn.wire import npz
from lindyn.wire.array import FloatArray

_ENGINE = "h5netcdf"


def save(result: Trajectory | SweepResult, path: str | Path) -> Path:
    """Write a result.

    Args:
        result: what to write.
        path: ends with `.npz` or `.nc`.

    Returns:
        The path.

    Raises:
        ValueError: it ends with something else.
        MissingLibraryError: netCDF needs xarray and h5netcdf.
    """
    path = Path(path)
    match path.suffix:
        case ".npz":
            path.write_bytes(npz.pack(*_parts(result)))
        case ".nc":
            library(_ENGINE, "writing netCDF")
            result.to_xarray().to_netcdf(path, engine=_ENGINE)
        case other:
            raise ValueError(f"got a file name that ends with {other!r}, expected .npz or .nc")
    return path


def load(path: str | Path) -> Trajectory | SweepResult:
    """Read what `save` wrote, or the body of an answer in npz.

    Raises:
        ValueError: the name ends with neither `.npz` nor `.nc`, or the file holds something else.
        MissingLibraryError: netCDF needs xarray and h5netcdf.
    """
    path = Path(path)
    match path.suffix:
        case ".npz":
            return _built(path, *_from_npz(path))
        case ".nc":
            return _built(path, *_from_netcdf(path))
        case other:
            raise ValueError(f"got a file name that ends with {other!r}, expected .npz or .nc")


def _built(path: Path, metadata: dict[str, Any], arrays: dict[str, FloatArray]) -> Trajectory | SweepResult:
    try:
        found = _result(metadata, arrays)
    except Exception as error:  # whatever parts of other types make of what puts them together
        raise ValueError(
            f"{path.name} was not saved by lindyn, or was changed since ({type(error).__name__}: {error})"
        ) from error
    if found is None:
        raise ValueError(f"{path.name} holds neither a trajectory nor the result of a job")
    return found


def _result(metadata: dict[str, Any], arrays: dict[str, FloatArray]) -> Trajectory | SweepResult | None:
    if "dims" in metadata and "coordinates" in metadata:
        return sweep_result(metadata, arrays)
    if "key" in metadata and "times" in arrays:
        return trajectory(metadata, arrays, "file")
    return None


def _parts(result: Trajectory | SweepResult) -> tuple[dict[str, Any], dict[str, FloatArray]]:
    if isinstance(result, SweepResult):
        return parts(result)
    return result.metadata, {"times": result.times, **result.arrays()}


def _from_npz(path: Path) -> tuple[dict[str, Any], dict[str, FloatArray]]:
    try:
        return unpack(path.read_bytes())
    except npz.NpzError as error:
        raise ValueError(
            f"{path.name} was not saved by lindyn: {error}; arrays of one's own are read with numpy.load, "
            "and given to lindyn.weights or lindyn.data"
        ) from error


def _from_netcdf(path: Path) -> tuple[dict[str, Any], dict[str, FloatArray]]:
    library(_ENGINE, "reading netCDF")
    xarray = library("xarray", "reading netCDF")
    try:
        with xarray.open_dataset(path, engine=_ENGINE) as file:
            dataset = file.load()
    except FileNotFoundError:
        raise
    except Exception as error:  # h5py and xarray raise many kinds
        raise ValueError(f"{path.name} cannot be read as netCDF ({type(error).__name__}: {error})") from error
    if PROVENANCE not in dataset.attrs:
        raise ValueError(f"{path.name} was not written by lindyn: it has no attribute {PROVENANCE!r}")
    try:
        metadata: dict[str, Any] = json.loads(dataset.attrs[PROVENANCE])
        names: dict[str, str] = metadata.pop("paths")
        return metadata, {path: dataset[name].to_numpy() for name, path in names.items()}
    except Exception as error:  # as above
        raise ValueError(
            f"{path.name} has an attribute {PROVENANCE!r} that lindyn did not write ({type(error).__name__}: {error})"
        ) from error
