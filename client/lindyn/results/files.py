"""Files of results: npz archives as the service sends them, netCDF for xarray, JSON, CSV, and files for Matlab."""

import io
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Container, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from lindyn.errors import ArgumentError
from lindyn.results.io import NETCDF_ENGINE, Parts, unknown_format
from lindyn.results.optional import library
from lindyn.results.table import Columns, as_csv
from lindyn.wire import npz
from lindyn.wire.array import FloatArray
from lindyn.wire.tree import JSON

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_MATLAB_NAME = 63  # characters of a name

_LIBRARIES = {".nc": (NETCDF_ENGINE, "writing netCDF"), ".mat": ("scipy.io", "writing .mat")}


class Saved(ABC):
    """Results that can be written to files."""

    formats: ClassVar[tuple[str, ...]] = (".npz", ".json", ".csv", ".mat")
    """Endings of the names of files that `save` writes."""

    def save(self, path: str | Path) -> Path:
        """Write the result to a file, in the format that its name ends with, and return the path.

        `lindyn.load` reads `.npz`, `.json`, as the service sends it, and, for results with `to_xarray`, `.nc` (netCDF).
        Other programs read `.csv`, the table of `to_dataframe`, and `.mat`, for Matlab and Octave, where parts of
        names are fields of structures.

        Raises:
            ArgumentError: the name has another ending, or its folder does not exist; this is also a ValueError.
            MissingLibraryError: netCDF needs xarray and h5netcdf, and `.mat` needs scipy.
        """
        path = Path(path)
        require_writable(path, self.formats)
        path.write_bytes(self.to_bytes(path.suffix))
        return path

    def to_bytes(self, suffix: str) -> bytes:
        """Return the contents of a file whose name ends with `.npz`, `.json`, `.csv` or `.mat`.

        Raises:
            ArgumentError: the name ends with none of these; this is also a ValueError.
        """
        match suffix:
            case ".csv":
                return as_csv(self._columns(()))
            case ".json":
                return json.dumps(_plain(self._document()), allow_nan=False).encode()
            case ".mat":
                return _matlab(*self._parts())
            case ".npz":
                return npz.pack(*self._parts())
            case _:
                raise unknown_format(Path(f"x{suffix}"), Saved.formats)

    def to_dataframe(self, *names: str) -> "pd.DataFrame":
        """Return a table; an array with several numbers in a row has a column for each, counted from 1.

        Args:
            names: the arrays in it, by default all.

        Raises:
            UnknownNameError: the result has no such array; this is also a KeyError.
            ArgumentError: a name is no text.
            MissingLibraryError: pandas is not installed.
        """
        for name in names:
            if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance] (callers without types)
                raise ArgumentError(
                    f"got a {type(name).__name__} among the names, expected each name as an argument of its own, such "
                    'as to_dataframe("loss", "output")'
                )
        return library("pandas", "to_dataframe").DataFrame(self._columns(names))

    @abstractmethod
    def _parts(self) -> Parts:
        """Return the JSON part and the arrays by path."""

    @abstractmethod
    def _document(self) -> Mapping[str, object]:
        """Return the reply as a JSON document with arrays."""

    @abstractmethod
    def _columns(self, names: Sequence[str]) -> Columns:
        """Return the columns of the table, of all arrays if there are no names."""


class Labelled(Saved):
    """Results whose arrays have named dimensions."""

    formats: ClassVar[tuple[str, ...]] = (".npz", ".nc", ".json", ".csv", ".mat")

    def save(self, path: str | Path) -> Path:  # noqa: D102 (inherited)
        path = Path(path)
        if path.suffix != ".nc":
            return super().save(path)
        require_writable(path, self.formats)
        self.to_xarray().to_netcdf(path, engine=NETCDF_ENGINE)  # pyright: ignore[reportUnknownMemberType]
        return path

    @abstractmethod
    def to_xarray(self) -> "xr.Dataset":
        """Return a dataset with named dimensions; its attributes hold descriptions, units and the provenance.

        Raises:
            MissingLibraryError: xarray is not installed.
        """


def require_writable(path: Path, formats: Sequence[str]) -> None:
    """Check the name of a file before its contents are computed.

    Raises:
        ArgumentError: the name ends with none of the formats, or its folder does not exist.
        MissingLibraryError: a library for the format is not installed.
    """
    if path.suffix not in formats:
        raise unknown_format(path, formats)
    if not path.parent.is_dir():
        raise ArgumentError(f"{path}: there is no folder {path.parent}; create it, or name another file")
    if path.suffix in _LIBRARIES:
        library(*_LIBRARIES[path.suffix])


def nested(arrays: Mapping[str, FloatArray]) -> dict[str, Any]:
    """Return mappings for the parts of paths, and lists for parts that are 0, 1, ..."""
    tree: dict[str, Any] = {}
    for path, array in arrays.items():
        *parents, leaf = path.split(".")
        node = tree
        for name in parents:
            node = node.setdefault(name, {})
        node[leaf] = array
    return {name: _with_lists(child) for name, child in tree.items()}


def _with_lists(node: Any) -> Any:  # noqa: ANN401 (nested mappings of arrays)
    if not isinstance(node, dict):
        return node
    children = {name: _with_lists(child) for name, child in cast("dict[str, Any]", node).items()}
    return list(children.values()) if list(children) == [str(i) for i in range(len(children))] else children


def _plain(node: object) -> object:
    """Return a tree of lists, with null for numbers that are not finite, as the service sends it."""
    if isinstance(node, np.ndarray):
        array = cast("FloatArray", node)
        finite = np.isfinite(array)
        return (array if np.all(finite) else np.where(finite, array, np.array(None))).tolist()
    if isinstance(node, Mapping):
        return {name: _plain(child) for name, child in cast("Mapping[str, object]", node).items()}
    if isinstance(node, list | tuple):
        return [_plain(child) for child in cast("list[object]", node)]
    return None if isinstance(node, float) and not np.isfinite(node) else node


def _matlab(metadata: Mapping[str, JSON], arrays: Mapping[str, FloatArray]) -> bytes:
    """Return a file of Matlab's version 5, whose variable `metadata` is the JSON part as text."""
    scipy_io: Any = library(*_LIBRARIES[".mat"])
    file = io.BytesIO()
    contents = {**_structure(nested(arrays)), "metadata": json.dumps(metadata)}
    scipy_io.savemat(file, contents, long_field_names=True, oned_as="column", do_compression=True)
    return file.getvalue()


def _field_name(name: str, taken: Container[str]) -> str:
    """Return a name that Matlab allows: at most 63 letters of ASCII, digits and underscores, and not taken."""
    allowed = re.sub(r"^(?![A-Za-z])", "x", re.sub(r"\W", "_", name, flags=re.ASCII))[:_MATLAB_NAME]
    numbered = (f"{allowed[: _MATLAB_NAME - len(f'_{i}')]}_{i}" for i in count(2))
    return allowed if allowed not in taken else next(each for each in numbered if each not in taken)


def _structure(node: Any) -> Any:  # noqa: ANN401 (nested mappings and lists of arrays)
    """Return mappings with names that Matlab allows, and lists as arrays of objects, which become cell arrays."""
    if isinstance(node, dict):
        fields: dict[str, Any] = {}
        for name, child in cast("dict[str, Any]", node).items():
            fields[_field_name(name, fields)] = _structure(child)
        return fields
    if not isinstance(node, list):
        return node
    cells = np.empty(len(cast("list[Any]", node)), dtype=object)
    for i, child in enumerate(cast("list[Any]", node)):  # equal matrices would become one array
        cells[i] = _structure(child)
    return cells
