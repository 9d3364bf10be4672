"""Points of a sweep that differ in the numbers of a balanced network only, computed together."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (JSON has no static types)

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from lindyn.wire.array import FloatArray
from lindyn.wire.base import LARGEST, LARGEST_SEED
from lindyn.wire.document import InvalidDocumentError
from lindyn.wire.method import AutoMethod, ExactMethod
from lindyn.wire.network import BalancedNetwork
from lindyn.wire.sweep import SweepRequest
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.dynamics.balance import broken_inequality
from lindyn_service.dynamics.initialization import many_balanced_weights
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.dynamics.white_inputs import WhiteTask
from lindyn_service.errors import ServiceError
from lindyn_service.methods.blocks import COVERED, Block, summarise_block, white_equivalent
from lindyn_service.methods.sweep_scalars import Summary
from lindyn_service.translate.problem import rng
from lindyn_service.translate.spans import reduced_dims

Record = dict[str, Any]
Index = tuple[int, ...]

_FEWEST = 4  # points, of which a block is no slower than one by one
_ENTRIES = 2**21  # of the network functions of a block at all times: about 50 milliseconds
_MOST = 1024  # points of a block
_MUCH_SMALLER = 4  # factor of a width by which points alone are solved in fewer dimensions, which blocks are not
_MOST_FAMILIES = 64

_PLAIN = {"network.lambda": "lam", "network.scale": "scale", "network.seed": "seed", "time_constant": "tau"}


@dataclass(frozen=True)
class _Numbers:
    """What the points of a family may differ in."""

    lam: float
    scale: float
    seed: int
    tau: float

    @property
    def block(self) -> tuple[int, float]:
        """Equal for points that can be computed together: signs of lambda, and time constants."""
        return (self.lam > 0) - (self.lam < 0), self.tau


@dataclass
class _Family:
    """Points that differ in numbers only, and what was validated of one for all of them."""

    request: TrajectoryRequest
    network: BalancedNetwork
    moments: Moments
    white: WhiteTask
    times: FloatArray
    allowed: dict[bool, bool] = field(default_factory=dict[bool, bool])

    @property
    def dims(self) -> tuple[int, int, int]:
        """Widths, of the span of the inputs in place of these."""
        return (self.white.sigma_yx.shape[1], *self.network.dims[1:])

    def summaries(self, points: Sequence[_Numbers], names: Sequence[str], tolerance: float) -> list[Summary | None]:
        """Compute points of one block; None for those that are to be computed alone."""
        lam, scale = (np.array([getattr(each, name) for each in points]) for name in ("lam", "scale"))
        w1, w2 = many_balanced_weights(self.dims, lam, scale, [rng(each.seed) for each in points])
        block = Block(w1, w2, lam, self.white, self.moments, points[0].tau, self.times)
        return summarise_block(block, names, tolerance)


class PointBlocks:
    """Computes in blocks those points that can be; others are computed alone.

    Args:
        request: the sweep.
        read: validates the point at a place.
        moments: of the task of a point.
        check: is shown one of each set of points that cost the same, and may refuse it by a ServiceError.
    """

    def __init__(
        self,
        request: SweepRequest,
        read: Callable[[Sequence[int]], TrajectoryRequest],
        moments: Callable[[TrajectoryRequest], Moments],
        check: Callable[[TrajectoryRequest], None],
    ) -> None:
        self._request, self._read, self._moments, self._check = request, read, moments, check
        self._plain = {_PLAIN[axis.path]: i for i, axis in enumerate(request.axes) if axis.path in _PLAIN}
        self._others = [i for i, axis in enumerate(request.axes) if axis.path not in _PLAIN]
        self._own_times = any(axis.path.split(".")[0] == "times" for axis in request.axes)
        self._families: dict[Index, _Family | None] = {}

    def records(self, places: Iterable[Index], alone: Callable[[Index], Record]) -> Iterator[Record]:
        """What is kept of each point, in order; `alone` computes one by itself."""
        if not self._plain or not COVERED.issuperset(self._request.collect):
            yield from map(alone, places)
            return
        left = iter(places)
        size = 1
        while batch := list(islice(left, size)):
            found = self._in_blocks(batch)
            for i, index in enumerate(batch):
                yield found[i] if i in found else alone(index)
            size = self._size()

    def _size(self) -> int:
        """How many points are looked at together; one until the first is known."""
        entries = [len(f.times) * f.dims[0] * f.dims[2] for f in self._families.values() if f is not None]
        return max(1, min(_MOST, _ENTRIES // max(entries))) if entries else 1

    def _in_blocks(self, batch: Sequence[Index]) -> dict[int, Record]:
        """Records of those that blocks have, by their numbers in the batch."""
        blocks: dict[tuple[Index, int, float], list[tuple[int, _Numbers]]] = {}
        for i, index in enumerate(batch):
            place = tuple(index[axis] for axis in self._others)
            family = self._family(place, index)
            numbers = None if family is None else self._numbers(family, index)
            if family is not None and numbers is not None and self._is_allowed(family, numbers, index):
                blocks.setdefault((place, *numbers.block), []).append((i, numbers))
        records: dict[int, Record] = {}
        for (place, *_), points in blocks.items():
            family = self._families.get(place)
            if family is None or len(points) < _FEWEST:
                continue
            summaries = family.summaries(
                [numbers for _, numbers in points], self._request.collect, self._request.tolerance
            )
            for (i, _), summary in zip(points, summaries, strict=True):
                if summary is not None:
                    records[i] = self._record(summary)
        return records

    def _record(self, summary: Summary) -> Record:
        record: Record = {"values": summary.values, "warnings": [asdict(each) for each in summary.warnings]}
        if summary.times is not None and self._own_times:
            record["times"] = summary.times
        return record

    def _family(self, place: Index, index: Index) -> _Family | None:
        """That of a point; None where its points are computed alone."""
        if place not in self._families:
            if len(self._families) >= _MOST_FAMILIES:
                self._families.clear()
            self._families[place] = self._new_family(index)
        return self._families[place]

    def _new_family(self, index: Index) -> _Family | None:
        try:
            request = self._read(index)
            network = request.network
            if not isinstance(network, BalancedNetwork) or network.aligned:
                return None
            if not isinstance(request.method, AutoMethod | ExactMethod):
                return None
            if request.learning_rates is not None or request.schedule is not None or request.weight_decay:
                return None
            moments = self._moments(request)
        except (InvalidDocumentError, ServiceError):
            return None  # each of its points says why
        if any(
            width > _MUCH_SMALLER * left
            for width, left in zip(network.dims, reduced_dims(network, request.task), strict=True)
        ):
            return None
        white = white_equivalent(moments)
        return None if white is None else _Family(request, network, moments, white, request.resolved_times())

    def _numbers(self, family: _Family, index: Index) -> _Numbers | None:
        """The numbers of a point where these are surely valid."""
        lam = self._value("lam", index, family.network.lam)
        scale = self._value("scale", index, family.network.scale)
        tau = self._value("tau", index, family.request.time_constant)
        seed = self._value("seed", index, family.network.seed)
        for value, least in ((lam, -LARGEST), (scale, 1 / LARGEST), (tau, 1 / LARGEST)):
            if type(value) not in (int, float) or not least <= value <= LARGEST:
                return None
        if type(seed) is not int or not 0 <= seed <= LARGEST_SEED:
            return None
        return _Numbers(float(lam), float(scale), seed, float(tau))

    def _value(self, name: str, index: Index, base: Any) -> Any:  # noqa: ANN401 (JSON)
        axis = self._plain.get(name)
        return base if axis is None else self._request.axes[axis].values[index[axis]]

    def _is_allowed(self, family: _Family, numbers: _Numbers, index: Index) -> bool:
        """Whether weights exist, and points of this cost are allowed: it depends on whether lambda is zero."""
        if broken_inequality(numbers.lam, *family.dims) is not None:
            return False
        is_zero = numbers.lam == 0
        if is_zero not in family.allowed:
            try:
                self._check(self._read(index))
                family.allowed[is_zero] = True
            except (InvalidDocumentError, ServiceError):
                family.allowed[is_zero] = False
        return family.allowed[is_zero]
