"""Files of results: npz archives as the service sends them, and netCDF for xarray and other tools."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from lindyn.results.labelled import PROVENANCE
from lindyn.results.optional import library
from lindyn.wire import npz
from lindyn.wire.array import FloatArray
from lindyn.wire.tree import JSON

if TYPE_CHECKING:
    import xarray as xr

_NETCDF_ENGINE = "h5netcdf"
_MAX_BYTES = 2**40  # the user chose the service or the file, so that only memory limits its size
_MAX_ENTRIES = 2**16

Parts = tuple[dict[str, JSON], dict[str, FloatArray]]
"""The JSON part of a result, and its arrays by path."""


def save(
    path: Path, metadata: Mapping[str, JSON], arrays: Mapping[str, FloatArray], dataset: "Callable[[], xr.Dataset]"
) -> Path:
    """Write a result to a file, in the format that its name ends with.

    Args:
        path: ends with `.npz` or `.nc`.
        metadata: the JSON part of the result, for npz.
        arrays: the arrays by path, for npz.
        dataset: makes the labelled result, for netCDF.

    Raises:
        ValueError: the name ends with neither.
        MissingLibraryError: netCDF needs xarray and h5netcdf.
    """
    match path.suffix:
        case ".npz":
            path.write_bytes(npz.pack(metadata, arrays))
        case ".nc":
            library(_NETCDF_ENGINE, "writing netCDF")
            dataset().to_netcdf(path, engine=_NETCDF_ENGINE)  # pyright: ignore[reportUnknownMemberType]
        case _:
            raise _unknown_format(path)
    return path


def read(path: Path) -> Parts:
    """Read a file that `save` wrote, or the npz body of a reply.

    Raises:
        ValueError: the name ends with neither `.npz` nor `.nc`, or the file is damaged or of another origin.
        MissingLibraryError: netCDF needs xarray and h5netcdf.
    """
    match path.suffix:
        case ".npz":
            return _read_npz(path)
        case ".nc":
            return _read_netcdf(path)
        case _:
            raise _unknown_format(path)


def unpack(archive: bytes) -> Parts:
    """Read the npz archive of a reply or of a file."""
    return npz.unpack(archive, largest_bytes=_MAX_BYTES, max_entries=_MAX_ENTRIES)


def _unknown_format(path: Path) -> ValueError:
    return ValueError(f"got a file name that ends with {path.suffix!r}, expected .npz or .nc")


def _read_npz(path: Path) -> Parts:
    try:
        return unpack(path.read_bytes())
    except npz.NpzError as error:
        raise ValueError(
            f"{path.name} was not saved by lindyn: {error}; read arrays of your own with numpy.load, and pass them to "
            "lindyn.weights or lindyn.data"
        ) from error


def _read_netcdf(path: Path) -> Parts:
    library(_NETCDF_ENGINE, "reading netCDF")
    xarray = library("xarray", "reading netCDF")
    try:
        with xarray.open_dataset(path, engine=_NETCDF_ENGINE) as file:
            dataset: xr.Dataset = file.load()
    except FileNotFoundError:
        raise
    except Exception as error:  # h5py and xarray raise many types for a damaged file
        raise ValueError(f"{path.name} cannot be read as netCDF ({type(error).__name__}: {error})") from error
    if PROVENANCE not in dataset.attrs:
        raise ValueError(f"{path.name} was not written by lindyn: it has no attribute {PROVENANCE!r}")
    try:
        metadata = cast("dict[str, JSON]", json.loads(dataset.attrs[PROVENANCE]))
        paths = cast("dict[str, str]", metadata.pop("paths"))
        return metadata, {path: dataset[name].to_numpy() for name, path in paths.items()}
    except Exception as error:  # a changed attribute can hold anything
        raise ValueError(
            f"{path.name} has an attribute {PROVENANCE!r} that lindyn did not write ({type(error).__name__}: {error})"
        ) from error
