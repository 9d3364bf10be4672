"""Replies that are neither trajectories nor statistics over them: initial weights, and balances."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from lindyn._public import public
from lindyn.errors import UnknownNameError
from lindyn.results.files import Labelled
from lindyn.results.io import Parts
from lindyn.results.labelled import reply_dataset
from lindyn.results.named import Named
from lindyn.results.table import Columns, Variables, columns, selected
from lindyn.wire.array import FloatArray
from lindyn.wire.trajectory import ReplyWarning
from lindyn.wire.tree import Tree, split
from lindyn.wire.wording import not_part_of

if TYPE_CHECKING:
    import xarray as xr

    from lindyn.results.analysis_plots import AnalysisPlots

_MAX_SHOWN = 8  # numbers of an array that a line shows
_SETTINGS = ("dims", "gain", "samples", "scheme", "seed", "task_seed", "tolerance", "key", "version")


@dataclass(frozen=True, repr=False, eq=False)
class Fields(Named):
    """Fields of a reply as attributes and items; arrays are numpy arrays.

    Attributes:
        fields: the fields by name.
    """

    fields: Mapping[str, object]

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 (fields have many types)
        """Return a field by its name.

        Raises:
            UnknownNameError: the reply has no such field; this is also a KeyError.
        """
        if name not in self.fields:
            raise UnknownNameError(not_part_of("answer", name, self.fields))
        value = self.fields[name]
        return Fields(cast("Mapping[str, object]", value)) if isinstance(value, Mapping) else value

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (fields have many types)
        """Return a field; the field `lambda` is the attribute `lam`."""
        if "fields" not in self.__dict__:  # copying looks up attributes before any is set
            raise AttributeError(name)
        try:
            return self["lambda" if name == "lam" else name]
        except UnknownNameError as error:
            raise AttributeError(str(error)) from None

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self.fields]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}" + "".join(f"\n  {name}: {text}" for name, text in self._rows()) + ">"

    def _repr_html_(self) -> str:
        from lindyn.results.html import card  # noqa: PLC0415 (needed in notebooks only)

        return card(type(self).__name__, self._rows())

    def _rows(self) -> list[tuple[str, str]]:
        return [(name, _text(value)) for name, value in self.fields.items() if value is not None]


@public
@dataclass(frozen=True, repr=False, eq=False)
class Analysis(Fields, Labelled):
    """Initial weights, a balance or its statistics: the fields are attributes and items, and arrays are numpy arrays.

    Attributes:
        fields: the fields by name.
    """

    warnings: ClassVar[Sequence[ReplyWarning]] = ()
    """There are none about such replies."""

    @property
    def version(self) -> str:
        """Version of the service."""
        return cast("str", self.fields["version"])

    @property
    def plot(self) -> "AnalysisPlots":
        """Pictures: `r.plot()` draws the first matrix, or else the first numbers of the pairs of layers.

        Raises:
            MissingLibraryError: matplotlib is not installed.
        """
        from lindyn.results.analysis_plots import AnalysisPlots  # noqa: PLC0415 (imports matplotlib)

        return AnalysisPlots(self._variables())

    def to_xarray(self) -> "xr.Dataset":
        """Return a dataset with all numbers, whose names are paths such as `weights.0`.

        Raises:
            MissingLibraryError: xarray is not installed.
        """
        metadata, arrays = self._parts()
        title = "initial weights" if "weights" in self.fields else "balance of weights"
        return reply_dataset(title, self._variables(), None, metadata, stored=arrays)

    def _variables(self) -> Variables:
        """Return all numbers with their dimensions, by path."""
        return {path: (_dims(path, array), array) for path, array in _numbers(self.fields, "")}

    def _parts(self) -> Parts:
        return split(cast("Mapping[str, Tree]", self.fields))

    def _document(self) -> Mapping[str, object]:
        return self.fields

    def _columns(self, names: Sequence[str]) -> Columns:
        """Return a row for each pair of layers, or one row."""
        chosen = selected(names, self._variables(), "answer")
        pairs = {len(array) for dims, array in chosen.values() if dims == ("pair",)}
        return columns({"pair": np.arange(1, max(pairs) + 1)} if pairs else {}, chosen, {})


def analysis_from_document(document: Mapping[str, Tree]) -> Analysis:
    """Build a result from a reply whose arrays are in their places."""
    return Analysis(document)


def _numbers(tree: Mapping[str, object], prefix: str) -> Iterator[tuple[str, FloatArray]]:
    """Yield the numbers and arrays of a reply that are not those of the request, by path."""
    for name, value in tree.items():
        path = f"{prefix}{name}"
        items = cast("list[object]", value) if isinstance(value, list) else [value]
        if isinstance(value, Mapping):
            yield from _numbers(cast("Mapping[str, object]", value), f"{path}.")
        elif isinstance(value, list) and any(isinstance(each, np.ndarray) for each in items):
            yield from _numbers({str(i): each for i, each in enumerate(items)}, f"{path}.")
        elif name not in _SETTINGS:
            kind = np.bool_ if isinstance(items[0], bool) else np.float64
            yield path, cast("FloatArray", np.array(value, dtype=kind))  # NaN for None


def _dims(path: str, array: FloatArray) -> tuple[str, ...]:
    name, _, part = path.partition(".")
    if name == "weights":
        return f"width_{int(part) + 1}", f"width_{part}"
    return ("pair",) if array.ndim == 1 else ("hidden", "hidden_2")[: array.ndim]


def _text(value: Any) -> str:  # noqa: ANN401 (fields have many types)
    """Return a value in one line; arrays and mappings with many entries by their shape and their names."""
    if isinstance(value, np.ndarray):
        array = cast("FloatArray", value)
        return f"array {array.shape}" if array.size > _MAX_SHOWN else str(array.tolist())
    if isinstance(value, list) and any(isinstance(each, np.ndarray) for each in cast("list[Any]", value)):
        return ", ".join(_text(each) for each in cast("list[Any]", value))
    if isinstance(value, list):
        return ", ".join(_text(each) for each in cast("list[Any]", value))
    if isinstance(value, Mapping):
        return ", ".join(cast("Mapping[str, Any]", value))
    return f"{value:.10g}" if isinstance(value, float) else f"{value}"
