"""Answers as numpy arrays with their provenance."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lindyn.errors import UnknownNameError
from lindyn.wire.array import FloatArray
from lindyn.wire.trajectory import TrajectoryReply
from lindyn.wire.wording import not_part_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from lindyn.results.plots import TrajectoryPlots

Quantity = FloatArray | Mapping[str, FloatArray] | list[FloatArray]


@dataclass(frozen=True, repr=False, eq=False)
class Trajectory:
    """A learning trajectory; quantities are attributes and items, `t.loss` and `t["loss"]`, with time first.

    Attributes:
        times: (time,), in the unit of `reply.time_constant`.
        quantities: arrays by name; nested ones such as `balance` are mappings, `weights` a list of one for each layer.
        reply: everything else of the answer: key, method and reason, lambda, seeds, diagnostics, warnings, version.
        cache: `hit`, `miss` or `coalesced`: whether the service computed it now; `file` where it was loaded.
    """

    times: FloatArray
    quantities: Mapping[str, Quantity]
    reply: TrajectoryReply
    cache: str

    @property
    def weights(self) -> list[FloatArray]:
        """One array (time, width l+1, width l) for each layer."""
        return cast("list[FloatArray]", self._quantity("weights"))

    @property
    def alignment(self) -> Mapping[str, FloatArray]:
        """`input` and `output`, (time, mode): how far the singular vectors are those of the task, 0 to 1.

        Modes of equal strength share the score of their subspace; NaN where the task or the network has no such mode.
        """
        return cast("Mapping[str, FloatArray]", self._quantity("alignment"))

    @property
    def task_specificity(self) -> Mapping[str, FloatArray]:
        """`input` and `output`, (time,)."""
        return cast("Mapping[str, FloatArray]", self._quantity("task_specificity"))

    @property
    def balance(self) -> Mapping[str, FloatArray]:
        """`lambda` and `residual`, (time,), or (time, pair) for more than two layers."""
        return cast("Mapping[str, FloatArray]", self._quantity("balance"))

    @property
    def plot(self) -> "TrajectoryPlots":
        """Pictures, such as `t.plot.loss()`.

        Raises:
            MissingLibraryError: matplotlib is not installed.
        """
        from lindyn.results.plots import TrajectoryPlots  # noqa: PLC0415 (loads matplotlib)

        return TrajectoryPlots(self)

    def arrays(self) -> dict[str, FloatArray]:
        """All quantities by their path, such as `loss`, `balance.lambda` and `weights.0`."""
        return dict(_flat(self.quantities))

    def targets(self, name: str) -> FloatArray:
        """What `singular_values` or `mode_strengths` of the best network function are, (mode,); else empty."""
        return np.asarray(self.reply.diagnostics.get("target", {}).get(name, ()), dtype=float)

    def to_xarray(self) -> "xr.Dataset":
        """Label all dimensions; attributes hold descriptions, units and where it comes from.

        Raises:
            MissingLibraryError: xarray is not installed.
        """
        from lindyn.results.labelled import trajectory_dataset  # noqa: PLC0415 (loads xarray)

        return trajectory_dataset(self)

    def to_dataframe(self) -> "pd.DataFrame":
        """Quantities that are one number at each time, as columns over time.

        Raises:
            MissingLibraryError: pandas is not installed.
        """
        from lindyn.results.labelled import trajectory_frame  # noqa: PLC0415 (loads pandas)

        return trajectory_frame(self)

    def save(self, path: str | Path) -> Path:
        """Write everything to a file that `lindyn.load` reads, `.npz` or `.nc` (netCDF)."""
        from lindyn.results.io import save  # noqa: PLC0415 (it imports this module)

        return save(self, path)

    @property
    def metadata(self) -> dict[str, Any]:
        """The answer without its arrays, as JSON holds it."""
        return self.reply.model_dump(by_alias=True, exclude={"times", "quantities"})

    def __getitem__(self, name: str) -> FloatArray:
        """Return an array by its name; parts of nested quantities as `balance.lambda` and `weights.0`.

        Raises:
            UnknownNameError: there is none of this name; also a KeyError.
        """
        found: dict[str, Any] = {**self.quantities, **self.arrays()}
        if name not in found:
            raise UnknownNameError(not_part_of("trajectory", name, found))
        return found[name]

    def __getattr__(self, name: str) -> FloatArray:
        """Return a quantity that was asked for."""
        return self._quantity(name)

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self.quantities]

    def __repr__(self) -> str:
        reply = self.reply
        widths = "-".join(map(str, reply.dims))
        balance = "" if reply.lam is None else f" lambda = {reply.lam:g},"
        names = ", ".join(self.quantities)
        warned = "".join(f"\n  warning {w.code}: {w.detail}" for w in reply.warnings)
        return (
            f"<Trajectory {widths},{balance} {len(self.times)} times, {reply.method} ({self.cache})\n"
            f"  quantities: {names}\n  {reply.reason}{warned}>"
        )

    def _repr_html_(self) -> str:
        from lindyn.results.html import trajectory_html  # noqa: PLC0415 (notebooks only)

        return trajectory_html(self)

    def _quantity(self, name: str) -> Any:  # noqa: ANN401 (an array, or several)
        try:
            return self.__dict__["quantities"][name]
        except KeyError:
            known = self.__dict__.get("quantities", ())
            raise AttributeError(not_part_of("trajectory", name, known)) from None


@dataclass(frozen=True, eq=False)
class Analysis:
    """An answer other than a trajectory: its fields are attributes and items, arrays are numpy arrays."""

    fields: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 (fields of any type)
        """Return a field by its name.

        Raises:
            UnknownNameError: there is none of this name; also a KeyError.
        """
        if name not in self.fields:
            raise UnknownNameError(not_part_of("answer", name, self.fields))
        value = self.fields[name]
        return Analysis(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else value

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (fields of any type)
        """Return a field; `lam` is the one that the contract calls lambda."""
        if "fields" not in self.__dict__:  # copies are asked for attributes before they have any
            raise AttributeError(name)
        try:
            return self[_contract_name(name)]
        except UnknownNameError as error:
            raise AttributeError(str(error)) from None

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self.fields]


def trajectory(metadata: Mapping[str, Any], arrays: Mapping[str, FloatArray], cache: str) -> Trajectory:
    """Build a trajectory from its JSON part and its arrays by path, `times` among them."""
    quantities: dict[str, Any] = {}
    for path, array in arrays.items():
        name, _, inner = path.partition(".")
        if inner.isdecimal():
            quantities.setdefault(name, []).append(array)
        elif inner:
            quantities.setdefault(name, {})[inner] = array
        elif name != "times":
            quantities[name] = array
    reply = TrajectoryReply.model_validate({**metadata, "times": None, "quantities": {}})
    return Trajectory(arrays["times"], quantities, reply, cache)


def _contract_name(name: str) -> str:
    return "lambda" if name == "lam" else name


def _flat(quantities: Mapping[str, Quantity]) -> Iterable[tuple[str, FloatArray]]:
    for name, value in quantities.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{part}", array) for part, array in value.items())
        elif isinstance(value, list):
            yield from ((f"{name}.{i}", array) for i, array in enumerate(value))
        else:
            yield name, value
