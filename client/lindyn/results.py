"""Answers as numpy arrays with their provenance."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from lindyn.wire.array import FloatArray
from lindyn.wire.document import graft
from lindyn.wire.trajectory import TrajectoryReply

Quantity = FloatArray | Mapping[str, FloatArray] | list[FloatArray]


@dataclass(frozen=True, repr=False, eq=False)
class Trajectory:
    """A learning trajectory; quantities are attributes and items, `t.loss` and `t["loss"]`, with time first.

    Attributes:
        times: (time,), in the unit of `reply.time_constant`.
        quantities: arrays by name; `balance` is a mapping of two, `weights` a list of one for each layer.
        reply: everything else of the answer: key, method and reason, lambda, seeds, diagnostics, warnings, version.
        cache: `hit`, `miss` or `coalesced`: whether the service computed it now.
    """

    times: FloatArray
    quantities: Mapping[str, Quantity]
    reply: TrajectoryReply
    cache: str

    def __getitem__(self, name: str) -> FloatArray:
        """Return an array by its name; parts of nested quantities as `balance.lambda` and `weights.0`."""
        outer, _, inner = name.partition(".")
        value: Any = self.quantities[outer]
        if not inner:
            return value
        return value[int(inner) if isinstance(value, list) else inner]

    def __getattr__(self, name: str) -> FloatArray:
        """Return a quantity that was asked for."""
        try:
            return self.__dict__["quantities"][name]
        except KeyError:
            asked = ", ".join(self.__dict__.get("quantities", ()))
            raise AttributeError(f"{name!r} is not part of this trajectory, which has: {asked}") from None

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


@dataclass(frozen=True, eq=False)
class Analysis:
    """An answer other than a trajectory: its fields are attributes and items, arrays are numpy arrays."""

    fields: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 (fields of any type)
        """Return a field by its name."""
        value = self.fields[name]
        return Analysis(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else value

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (fields of any type)
        """Return a field; `lam` is the one that the contract calls lambda."""
        try:
            return self["lambda" if name == "lam" else name]
        except KeyError:
            raise AttributeError(f"{name!r} is not part of this answer, which has: {', '.join(self.fields)}") from None


def trajectory(metadata: dict[str, Any], arrays: Mapping[str, FloatArray], cache: str) -> Trajectory:
    """Build a trajectory from the parts of an npz answer."""
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


def analysis(metadata: dict[str, Any], arrays: Mapping[str, FloatArray]) -> Analysis:
    """Build an answer from the parts of an npz archive."""
    return Analysis(graft(metadata, arrays))
