"""Files that results are read from: npz archives as the service sends them, and netCDF."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from lindyn.errors import ArgumentError
from lindyn.results.labelled import PROVENANCE
from lindyn.results.optional import library
from lindyn.wire import npz
from lindyn.wire.array import FloatArray
from lindyn.wire.tree import JSON

if TYPE_CHECKING:
    import xarray as xr

NETCDF_ENGINE = "h5netcdf"
READABLE = (".npz", ".nc", ".json")
"""Endings of the names of files that results are read from."""

_MAX_BYTES = 2**40  # the user chose the service or the file, so that only memory limits its size
_MAX_ENTRIES = 2**16

Parts = tuple[dict[str, JSON], dict[str, FloatArray]]
"""The JSON part of a result, and its arrays by path."""


def read(path: Path) -> Parts:
    """Read an archive or a netCDF file that `save` wrote, or the npz body of a reply.

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
            raise unknown_format(path, READABLE)


def unpack(archive: bytes) -> Parts:
    """Read the npz archive of a reply or of a file."""
    return npz.unpack(archive, largest_bytes=_MAX_BYTES, max_entries=_MAX_ENTRIES)


def unknown_format(path: Path, formats: Sequence[str]) -> ArgumentError:
    """Return the error of a file name that ends with none of the formats."""
    allowed = f"{', '.join(formats[:-1])} or {formats[-1]}"
    return ArgumentError(f"got a file name that ends with {path.suffix!r}, expected {allowed}")


def _read_npz(path: Path) -> Parts:
    try:
        return unpack(path.read_bytes())
    except npz.NpzError as error:
        raise ValueError(
            f"{path.name} was not saved by lindyn: {error}; read arrays of your own with numpy.load, and pass them to "
            "lindyn.weights or lindyn.data"
        ) from error


def _read_netcdf(path: Path) -> Parts:
    library(NETCDF_ENGINE, "reading netCDF")
    xarray = library("xarray", "reading netCDF")
    try:
        with xarray.open_dataset(path, engine=NETCDF_ENGINE) as file:
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
