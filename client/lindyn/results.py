"""Answers as numpy arrays with their provenance."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lindyn.wire.array import FloatArray
from lindyn.wire.trajectory import TrajectoryReply

Quantity = FloatArray | Mapping[str, FloatArray]


@dataclass(frozen=True, repr=False, eq=False)
class Trajectory:
    """A learning trajectory; quantities are attributes and items, `t.loss` and `t["loss"]`, with time first.

    Attributes:
        times: (time,), in the unit of `reply.time_constant`.
        quantities: arrays by name; `balance` is a mapping of two.
        reply: everything else of the answer: key, method and reason, lambda, seeds, diagnostics, warnings, version.
        cache: `hit`, `miss` or `coalesced`: whether the service computed it now.
    """

    times: FloatArray
    quantities: Mapping[str, Quantity]
    reply: TrajectoryReply
    cache: str

    def __getitem__(self, name: str) -> FloatArray:
        """Return an array by its name; parts of nested quantities as `balance.lambda`."""
        outer, _, inner = name.partition(".")
        value: Any = self.quantities[outer]
        return value[inner] if inner else value

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


def trajectory(metadata: dict[str, Any], arrays: Mapping[str, FloatArray], cache: str) -> Trajectory:
    """Build a trajectory from the parts of an npz answer."""
    quantities: dict[str, Any] = {}
    for path, array in arrays.items():
        name, _, inner = path.partition(".")
        if inner:
            quantities.setdefault(name, {})[inner] = array
        elif name != "times":
            quantities[name] = array
    reply = TrajectoryReply.model_validate({**metadata, "times": None, "quantities": {}})
    return Trajectory(arrays["times"], quantities, reply, cache)
