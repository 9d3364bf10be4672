"""Points of a sweep that differ in the numbers of a balanced network only, computed together."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (JSON has no static types)

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any

import numpy as np

from lindyn.wire.base import LARGEST, LARGEST_SEED
from lindyn.wire.document import InvalidDocumentError
from lindyn.wire.sweep import SweepRequest
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.dynamics.balance import broken_inequality
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.errors import ServiceError
from lindyn_service.methods.blocks import COVERED, summarise_block
from lindyn_service.methods.sweep_scalars import Summary
from lindyn_service.translate.families import Family, family_of
from lindyn_service.translate.point_records import Record

Index = tuple[int, ...]

_FEWEST = 4  # points, of which a block is no slower than one by one
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
class _Points:
    """Points of one family, and of which costs they may be: it depends on whether lambda is zero."""

    family: Family
    allowed: dict[bool, bool] = field(default_factory=dict[bool, bool])

    def summaries(self, points: Sequence[_Numbers], names: Sequence[str], tolerance: float) -> list[Summary | None]:
        """Compute points of one block; None for those that are to be computed alone."""
        lam, scale = (np.array([getattr(each, name) for each in points]) for name in ("lam", "scale"))
        block = self.family.block(lam, scale, [each.seed for each in points], points[0].tau)
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
        self._families: dict[Index, _Points | None] = {}

    def groups(self, places: Iterable[Index], alone: Callable[[Index], Record]) -> Iterator[list[Record]]:
        """Return what is kept of each point, in order: points of a block together, others by themselves.

        Args:
            places: of the points.
            alone: computes a point by itself.
        """
        if not self._plain or not COVERED.issuperset(self._request.collect):
            yield from ([alone(index)] for index in places)
            return
        left = iter(places)
        size = 1
        while batch := list(islice(left, size)):
            found = self._in_blocks(batch)
            for in_blocks, numbers in groupby(range(len(batch)), found.__contains__):
                if in_blocks:
                    yield [found[i] for i in numbers]
                else:
                    yield from ([alone(batch[i])] for i in numbers)
            size = self._size()

    def _size(self) -> int:
        """How many points are looked at together; one until the first is known."""
        return min((each.family.block_size for each in self._families.values() if each is not None), default=1)

    def _in_blocks(self, batch: Sequence[Index]) -> dict[int, Record]:
        """Records of those that blocks have, by their numbers in the batch."""
        blocks: dict[tuple[Index, int, float], list[tuple[int, _Numbers]]] = {}
        for i, index in enumerate(batch):
            place = tuple(index[axis] for axis in self._others)
            own = self._family(place, index)
            numbers = None if own is None else self._numbers(own.family, index)
            if own is not None and numbers is not None and self._is_allowed(own, numbers, index):
                blocks.setdefault((place, *numbers.block), []).append((i, numbers))
        records: dict[int, Record] = {}
        for (place, *_), points in blocks.items():
            own = self._families.get(place)
            if own is None or len(points) < _FEWEST:
                continue
            summaries = own.summaries(
                [numbers for _, numbers in points], self._request.collect, self._request.tolerance
            )
            for (i, _), summary in zip(points, summaries, strict=True):
                if summary is not None:
                    records[i] = self._record(summary)
        return records

    def _record(self, summary: Summary) -> Record:
        record: Record = {"values": summary.values, "warnings": [each.message() for each in summary.warnings]}
        if summary.times is not None and self._own_times:
            record["times"] = summary.times
        return record

    def _family(self, place: Index, index: Index) -> _Points | None:
        """That of a point; None where its points are computed alone."""
        if place not in self._families:
            if len(self._families) >= _MOST_FAMILIES:
                self._families.clear()
            self._families[place] = self._new_family(index)
        return self._families[place]

    def _new_family(self, index: Index) -> _Points | None:
        try:
            request = self._read(index)
            found = family_of(request, self._moments(request))
        except (InvalidDocumentError, ServiceError):
            return None  # each of its points says why
        return None if found is None else _Points(found)

    def _numbers(self, family: Family, index: Index) -> _Numbers | None:
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

    def _is_allowed(self, points: _Points, numbers: _Numbers, index: Index) -> bool:
        """Whether weights exist, and points of this cost are allowed: it depends on whether lambda is zero."""
        if broken_inequality(numbers.lam, *points.family.dims) is not None:
            return False
        is_zero = numbers.lam == 0
        if is_zero not in points.allowed:
            try:
                self._check(self._read(index))
                points.allowed[is_zero] = True
            except (InvalidDocumentError, ServiceError):
                points.allowed[is_zero] = False
        return points.allowed[is_zero]
