"""Computation in blocks of the points of a sweep that differ only in numbers of a balanced network."""

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

_MIN_POINTS = 4  # fewer points are faster one by one
_MAX_FAMILIES = 64

_PLAIN = {"network.lambda": "lam", "network.scale": "scale", "network.seed": "seed", "time_constant": "tau"}


@dataclass(frozen=True)
class _Numbers:
    """Numbers in which the points of a family may differ."""

    lam: float
    scale: float
    seed: int
    tau: float

    @property
    def block(self) -> tuple[int, float]:
        """Sign of lambda and time constant, which must be equal in a block."""
        return (self.lam > 0) - (self.lam < 0), self.tau


@dataclass
class _Points:
    """A family, and whether its points are within the limits; their cost depends on whether lambda is zero."""

    family: Family
    allowed: dict[bool, bool] = field(default_factory=dict[bool, bool])

    def summaries(self, points: Sequence[_Numbers], names: Sequence[str], tolerance: float) -> list[Summary | None]:
        """Compute the points of one block; None for points that have to be computed one by one."""
        lam, scale = (np.array([getattr(each, name) for each in points]) for name in ("lam", "scale"))
        block = self.family.block(lam, scale, [each.seed for each in points], points[0].tau)
        return summarise_block(block, names, tolerance)


class PointBlocks:
    """Computation of points in blocks where this is possible, and one by one elsewhere.

    Args:
        request: the sweep.
        read: validates the point with these indices along the axes.
        moments: returns the moments of the task of a point.
        check: called with one point of each set of equal cost; raises a ServiceError to refuse them.
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
        """Yield the records of all points in their order, those of a block in one list, and all others in lists of one.

        Args:
            places: indices of the points along the axes.
            alone: computes a single point.
        """
        if not self._plain or not COVERED.issuperset(self._request.collect):
            yield from ([alone(index)] for index in places)
            return
        left = iter(places)
        for first in left:
            self._family(self._place(first), first)
            batch = [first, *islice(left, self._size() - 1)]
            found = self._in_blocks(batch)
            for in_blocks, numbers in groupby(range(len(batch)), found.__contains__):
                if in_blocks:
                    yield [found[i] for i in numbers]
                else:
                    yield from ([alone(batch[i])] for i in numbers)

    def _size(self) -> int:
        """Number of points that are examined together; one while no family is known."""
        return min((each.family.block_size for each in self._families.values() if each is not None), default=1)

    def _in_blocks(self, batch: Sequence[Index]) -> dict[int, Record]:
        """Compute the points of a batch that form blocks, and return their records by their numbers in the batch."""
        blocks: dict[tuple[Index, int, float], list[tuple[int, _Numbers]]] = {}
        for i, index in enumerate(batch):
            place = self._place(index)
            own = self._family(place, index)
            numbers = None if own is None else self._numbers(own.family, index)
            if own is not None and numbers is not None and self._is_allowed(own, numbers, index):
                blocks.setdefault((place, *numbers.block), []).append((i, numbers))
        records: dict[int, Record] = {}
        for (place, *_), points in blocks.items():
            own = self._families.get(place)
            if own is None or len(points) < _MIN_POINTS:
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

    def _place(self, index: Index) -> Index:
        """Return the indices along the axes that all points of a family share."""
        return tuple(index[axis] for axis in self._others)

    def _family(self, place: Index, index: Index) -> _Points | None:
        """Return the family of a point; None if its points are computed one by one."""
        if place not in self._families:
            if len(self._families) >= _MAX_FAMILIES:
                self._families.clear()
            self._families[place] = self._new_family(index)
        return self._families[place]

    def _new_family(self, index: Index) -> _Points | None:
        try:
            request = self._read(index)
            found = family_of(request, self._moments(request))
        except (InvalidDocumentError, ServiceError):
            return None  # the points are computed one by one, which raises the error of each
        return None if found is None else _Points(found)

    def _numbers(self, family: Family, index: Index) -> _Numbers | None:
        """Return the numbers of a point; None if they may be invalid, which validation of the point decides."""
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
        """Return whether balanced weights exist, and `check` accepts points of this cost."""
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
